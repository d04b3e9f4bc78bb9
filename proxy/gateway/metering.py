"""What one call to an LLM used: its answer is read as it passes by, its log row told at the end."""

from typing import TYPE_CHECKING, Final, NamedTuple

from apikeys.gate.holds import LEAST, Hold, held_of
from apikeys.gate.request import METERED as METHOD
from momentry.common.ownkeys import without_keys
from proxy.gateway.head import Fields, RequestHead
from proxy.gateway.hygiene import UNFRAMED
from proxy.gateway.injection import withheld
from proxy.gateway.response import ResponseHead
from proxy.usage.asked import Asked, is_wordless, tokens_of
from proxy.usage.hiding import Hider
from proxy.usage.reader import UsageReader, is_events, open_reader
from proxy.usage.reported import UNKNOWN, Usage

if TYPE_CHECKING:
    from proxy.gateway.core import Core
    from proxy.gateway.facts import Facts

REPORTED: Final = "reported"
ESTIMATED: Final = "estimated"
ABORTED: Final = "aborted"
CLIENT_LEFT: Final = 499  # in the log only, as nginx writes it
METERED: Final = METHOD.encode()


class Figures(NamedTuple):
    """As the log row has them; ``source`` is "" where nothing is known."""

    model: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int | None = None
    tokens_reasoning: int | None = None
    cost_micro: int | None = None
    source: str = ""

    @property
    def tokens(self) -> int:
        """As budgets count them: cached ones are among those read, thoughts among those written."""
        return (self.tokens_in or 0) + (self.tokens_out or 0)

    @property
    def cost(self) -> int | None:
        """None: nobody knows it, so what was held counts."""
        return self.cost_micro if self.tokens else 0


UNTOLD: Final = Figures()


class Metering:
    """Of one call to an upstream whose answers tell what they used (``form``). Never raises: a
    fault here must not harm the answer."""

    __slots__ = (
        "asked", "came", "core", "counts", "figures", "form", "hider", "hides", "hold", "is_known",
        "is_unsure", "is_whole", "looks", "model", "reader", "trailers",
    )  # fmt: skip

    def __init__(self, core: "Core", form: str) -> None:
        self.core = core
        self.form = form
        self.looks = False  # at the body, whoever calls: its stream may have to be asked
        self.hides = False  # it was asked, and the client did not ask for it
        self.came: RequestHead | None = None  # its head, before it was altered to ask
        self.hider: Hider | None = None
        self.counts = False  # its body says what it asks for, so what it uses can be estimated
        self.is_unsure = False  # its type does not say JSON, which a server need not mind
        self.is_known = False  # the body, as far as it is looked at
        self.is_whole = False  # the answer
        self.asked: Asked | None = None
        self.model = ""  # as the client says it
        self.hold: Hold = LEAST
        self.trailers: Fields = []  # of a body that was held
        self.reader: UsageReader | None = None
        self.figures: Figures | None = None  # once the call is over

    def again(self, core: "Core") -> "Metering":
        """Of another call with the same head."""
        made = Metering(core, self.form)
        made.counts, made.looks = self.counts, self.looks
        return made

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
        if self.hides and not coding and is_events(kind):
            self.hider = Hider()

    def size(self) -> int:
        """Bytes of the answer that are kept here."""
        return 0 if self.reader is None else self.reader.size()

    def take(self, data: bytes) -> bytes:
        """A piece of it has come; what of it goes on to the client."""
        self.feed(data)
        return data if self.hider is None else self.hider.feed(data)

    def rest(self) -> bytes:
        return b"" if self.hider is None else self.hider.rest()

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

    def close(self, exchange: "Facts", *, free: bool) -> Figures:
        """The call is over; ``free``: it came to nothing. Told once: what is asked later is the
        same."""
        if self.figures is None:
            self.figures = UNTOLD
            if not free:
                try:
                    self.figures = self.used(exchange)
                except Exception as error:  # noqa: BLE001 - as above; what was held counts
                    self.broke(error)
            self.reader = None
        return self.figures

    def so_far(self, exchange: "Facts") -> Figures:
        """Of a call that runs, if nothing more comes of it."""
        try:
            return self.kept(exchange)
        except Exception as error:  # noqa: BLE001 - as above
            self.broke(error)
        return UNTOLD

    def kept(self, exchange: "Facts") -> Figures:
        """What it holds of budgets stays counted then, so that is what it is said to have used;
        without any, what has come."""
        held = held_of(exchange.verdict)
        if not held:
            told = self.reported()
            if not exchange.sent:
                return UNTOLD
            return self.figured(exchange, self.estimated(exchange, told) if self.counts else told)
        tokens = held.get("tokens", self.hold.tokens)
        read = min(tokens, tokens_of(exchange.bytes_in))
        found = self.figured(exchange, Usage("", read, tokens - read, None, None))
        if found.cost_micro is None:
            return found
        return found._replace(cost_micro=held.get("cost_micro", found.cost_micro))

    def used(self, exchange: "Facts") -> Figures:
        told = self.reported()
        is_told = told.tokens_in is not None or told.tokens_out is not None
        source = REPORTED
        if not (is_told and self.is_whole):
            begun = 200 <= exchange.status < 300 or exchange.status == CLIENT_LEFT
            if not begun and not is_told:
                return UNTOLD  # refused, or it broke before it began
            told = self.estimated(exchange, told) if self.counts else told
            source = ESTIMATED if self.is_whole else ABORTED
        return self.figured(exchange, told, source)

    def figured(self, exchange: "Facts", told: Usage, source: str = ABORTED) -> Figures:
        if told.tokens_in is None and told.tokens_out is None:
            return UNTOLD._replace(model=shown(exchange, told.model))
        asked = self.asked.model if self.asked is not None else ""
        cost = self.cost(exchange, told, asked)
        return Figures(shown(exchange, told.model or asked), *told[1:], cost, source)

    def cost(self, exchange: "Facts", told: Usage, asked: str) -> int | None:
        """By the model that answered or, if it has no price, by the one that was asked for. None
        where staff set none."""
        slug = exchange.route.slug.decode()
        find = self.core.table.prices.find
        price = find(slug, told.model, exchange.at) or find(slug, asked, exchange.at)
        if price is None:
            return None
        return price.cost(told.tokens_in or 0, told.tokens_cached or 0, told.tokens_out or 0)

    def estimated(self, exchange: "Facts", told: Usage) -> Usage:
        """Of what nobody reported: what was sent up, and what had come down, at least."""
        read = told.tokens_in
        if read is None:
            read = tokens_of(exchange.bytes_in)
        if is_wordless(exchange.route.rest):
            return told._replace(tokens_in=read)
        written = self.written(exchange.bytes_out) if exchange.framing is not UNFRAMED else 0
        if self.asked is not None and self.asked.most is not None:
            written = min(written, self.asked.written(0))
        return told._replace(tokens_in=read, tokens_out=max(told.tokens_out or 0, written))

    def written(self, size: int) -> int:
        return tokens_of(size) if self.reader is None else self.reader.written(size)


def shown(exchange: "Facts", model: str) -> str:
    """A name is the client's or the upstream's word: it may repeat what each of them knows."""
    target = exchange.target
    own = () if target is None else target.destination.injection.spellings
    if own and model:
        model = withheld(model.encode(), own).decode(errors="replace")
    return without_keys(model)
