"""Which inputs are worth keeping: those that go a way no shorter one goes."""

import sys
from collections.abc import Callable, Iterable
from hashlib import sha256
from types import FrameType
from typing import Any

LOOKED_AT = (
    "/proxy/gateway/", "/proxy/usage/", "/apikeys/gate/", "/apikeys/keyformat", "/gateway/fuzz/",
)  # fmt: skip
MOST = 22
LONGEST = 1500

Step = tuple[str, int, int]


class Steps:
    """From which line to which, in the files that matter."""

    def __init__(self) -> None:
        self.seen: set[Step] = set()
        self.last: dict[str, int] = {}

    def trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        name = frame.f_code.co_filename
        if not any(part in name for part in LOOKED_AT):
            return None
        self.seen.add((name, self.last.get(name, 0), frame.f_lineno))
        self.last[name] = frame.f_lineno
        return self.trace


def steps(check: Callable[[bytes], None], data: bytes) -> set[Step]:
    found = Steps()
    sys.settrace(found.trace)
    try:
        check(data)
    finally:
        sys.settrace(None)
    return found.seen


def choose(check: Callable[[bytes], None], inputs: Iterable[bytes]) -> list[bytes]:
    """Greedily those that add most, MOST of them in all."""
    short = sorted(
        {data for data in inputs if 0 < len(data) <= LONGEST}, key=lambda data: (len(data), data)
    )
    ways = {data: steps(check, data) for data in short}
    known: set[Step] = set()
    kept: list[bytes] = []
    while ways and len(kept) < MOST:
        best = max(ways, key=lambda data: (len(ways[data] - known), -len(data)))
        if not ways[best] - known:
            break
        known |= ways.pop(best)
        kept.append(best)
    # Most ways are inside regular expressions, where no line tells them apart: some at random.
    rest = sorted(ways, key=lambda data: sha256(data).digest())
    return kept + rest[: MOST - len(kept)]
