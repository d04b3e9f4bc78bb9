"""A defect in reading what an answer used harms nobody: it is said once, and nothing is known."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.gateway.metering import UNTOLD, Metering
from proxy.gateway.response import parse_response
from proxy.usage.reader import UsageReader

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%b\r\n"


class Told:
    def __init__(self) -> None:
        self.events: list[str] = []

    def report(self, event: str, error: BaseException) -> None:
        self.events.append(f"{event}: {error}")


def opened(more: bytes = b"") -> tuple[Metering, Told]:
    told = Told()
    made = Metering(cast("Any", told), "openai")
    made.open(parse_response(HEAD % more, b"POST"))
    return made, told


def broken(*_: object) -> Any:
    raise ArithmeticError("ours")


def test_a_piece_passes_though_its_reader_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    made, told = opened()
    monkeypatch.setattr(UsageReader, "feed", broken)

    assert [made.take(b"{"), made.take(b"}")] == [b"{", b"}"]
    assert told.events == ["an answer's usage cannot be read: ours"]


@pytest.mark.parametrize("name", ["usage", "written"])
def test_the_end_comes_though_the_figures_break(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    made, told = opened()
    made.counts = made.is_whole = True
    monkeypatch.setattr(UsageReader, name, broken)
    exchange = SimpleNamespace(
        status=200,
        bytes_in=3,
        bytes_out=3,
        framing=None,
        route=SimpleNamespace(rest=b"/", slug=b""),
    )

    figures = made.close(cast("Any", exchange), free=False)

    assert figures == made.close(cast("Any", exchange), free=False) == UNTOLD
    assert told.events[0] == "an answer's usage cannot be read: ours"


def test_what_came_to_nothing_used_nothing() -> None:
    made, _ = opened()
    made.take(b'{"usage":{"prompt_tokens":5}}')
    made.is_whole = True

    assert made.close(cast("Any", None), free=True) == UNTOLD


def test_codings_in_several_fields_are_all_undone() -> None:
    made, _ = opened(b"Content-Encoding: gzip\r\nContent-Encoding: br\r\n")

    assert made.take(b"no such thing") == b"no such thing"
    assert made.reported().model == ""
