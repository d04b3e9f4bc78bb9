"""What it costs to read an answer's usage as it passes: microseconds of CPU, in one process.

    .venv/bin/python benchmarks/usage.py

A whole answer of one JSON document of some 900 bytes, beside the same document parsed and nothing
else; an event of a stream of 200, beside the same bytes split into lines.
"""

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Final, cast

from stage import Bounds

from proxy.gateway.core import Core
from proxy.gateway.facts import Facts
from proxy.gateway.metering import Metering
from proxy.gateway.response import parse_response
from proxy.gateway.table import Table
from proxy.usage.hiding import Hider
from tests.gateway.unit.usage.recorded import CHAT, CHUNK, compact

TURNS: Final = 9
TURN_SECONDS: Final = 0.1
EVENTS: Final = 200
HEAD: Final = (
    b"HTTP/1.1 200 OK\r\nServer: x\r\nDate: y\r\nContent-Type: %b\r\nx-request-id: z\r\n\r\n"
)
TABLE: Final = Table()
PRICED: Final = cast("Core", SimpleNamespace(table=TABLE))
CALL: Final = cast(
    "Facts",
    SimpleNamespace(route=SimpleNamespace(slug=b"llm"), at=datetime.now(UTC), target=None),
)


def per_call(call: Callable[[], object]) -> float:
    """The best of turns: all else only adds."""
    found = []
    for _ in range(TURNS):
        count, began = 0, time.process_time()
        while time.process_time() - began < TURN_SECONDS:
            for _ in range(100):
                call()
            count += 100
        found.append((time.process_time() - began) / count)
    return min(found) * 1e6


def head(kind: bytes) -> Callable[[], Metering]:
    response = parse_response(HEAD % kind, b"POST")

    def opened() -> Metering:
        made = Metering(PRICED, "openai")
        made.open(response)
        made.is_whole = True
        return made

    return opened


def whole(body: bytes) -> Callable[[], object]:
    opened = head(b"application/json")

    def call() -> object:
        made = opened()
        made.feed(body)
        return made.close(CALL, free=False)

    return call


def streamed(pieces: list[bytes], *, hides: bool = False) -> Callable[[], object]:
    opened = head(b"text/event-stream; charset=utf-8")

    def call() -> object:
        made = opened()
        made.hider = Hider() if hides else None
        for piece in pieces:
            made.take(piece)
        return made.close(CALL, free=False)

    return call


def main() -> int:
    bounds = Bounds()
    since = datetime(2026, 1, 1, tzinfo=UTC)
    TABLE.prices.replace([("", "gpt*", 1_250_000, 125_000, 10_000_000, None, since)])
    text = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "word " * 90}}]}
    body = compact(CHAT | text).encode()
    ours, floor = per_call(whole(body)), per_call(lambda: json.loads(body))
    bounds.check(f"a JSON answer of {len(body)} bytes", ours, most=15)
    bounds.check("over parsing it alone", ours / floor)
    delta = {"choices": [{"index": 0, "delta": {"content": " word"}, "finish_reason": None}]}
    event = f"data: {compact(CHUNK | delta)}\n\n".encode()
    last = f"data: {compact(CHUNK | {'choices': [], 'usage': CHAT['usage']})}\n\n".encode()
    pieces = [event] * (EVENTS - 1) + [last]
    ours = per_call(streamed(pieces)) / EVENTS
    floor = per_call(lambda: [piece.split(b"\n") for piece in pieces]) / EVENTS
    bounds.check(f"an event of {len(event)} bytes", ours, most=4)
    bounds.check("over splitting it into lines", ours / floor)
    hiding = per_call(streamed(pieces, hides=True)) / EVENTS
    bounds.check("where the last one is kept from the client", hiding, most=5)
    return bounds.code


if __name__ == "__main__":
    sys.exit(main())
