"""What one call to an LLM used: its answer is read as it passes by, its log row told at the end."""

from typing import TYPE_CHECKING, Final, NamedTuple

from proxy.gateway.response import ResponseHead
from proxy.usage.reader import UsageReader, open_reader
from proxy.usage.reported import UNKNOWN, Usage

if TYPE_CHECKING:
    from proxy.gateway.core import Core

REPORTED: Final = "reported"
METERED: Final = b"POST"  # what else there is reads what was made before


class Figures(NamedTuple):
    """As the log row has them; ``source`` is "" where nothing is known."""

    model: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int | None = None
    tokens_reasoning: int | None = None
    cost_micro: int | None = None
    source: str = ""


UNTOLD: Final = Figures()


class Metering:
    """Of one call to an upstream whose answers tell what they used (``form``). Never raises: a
    fault here must not harm the answer."""

    __slots__ = ("core", "figures", "form", "reader")

    def __init__(self, core: "Core", form: str) -> None:
        self.core = core
        self.form = form
        self.reader: UsageReader | None = None
        self.figures: Figures | None = None  # once the call is over

    def open(self, response: ResponseHead) -> None:
        """Its head has come."""
        if response.bodiless:
            return
        kind = coding = b""
        for (name, value), _, _ in response.lines:
            if name == b"content-type":
                kind = value
            elif name == b"content-encoding":
                coding = b"%b,%b" % (coding, value) if coding else value
        self.reader = open_reader(self.form, kind, coding)

    def feed(self, data: bytes) -> None:
        if self.reader is not None:
            try:
                self.reader.feed(data)
            except Exception as error:  # noqa: BLE001 - the answer goes on without being read
                self.broke(error)

    def reported(self) -> Usage:
        if self.reader is not None:
            try:
                return self.reader.usage()
            except Exception as error:  # noqa: BLE001 - as above
                self.broke(error)
        return UNKNOWN

    def broke(self, error: BaseException) -> None:
        self.reader = None
        self.core.report("an answer's usage cannot be read", error)

    def close(self) -> Figures:
        """The call is over. Told once: what is asked later is the same."""
        if self.figures is None:
            told = self.reported()
            is_told = told.tokens_in is not None or told.tokens_out is not None
            self.figures = Figures(*told, None, REPORTED if is_told else "")
            self.reader = None
        return self.figures
