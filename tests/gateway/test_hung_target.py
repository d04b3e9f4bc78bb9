"""DUR-07 within an upstream: one of its targets takes requests and answers none. Who was sent there
is told so in time, then it is left alone, and other upstreams notice nothing."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.gateway.conftest import Database, Start
from tests.gateway.misbehaving import hang, says
from tests.gateway.test_targets import OK, Group, Groups
from tests.gateway.wire import within

pytestmark = pytest.mark.slow

FIRST_BYTE = 1.5  # seconds
CLIENTS = 12
CALLS = 120
PROMPT = 1.0  # seconds: both cores may be busy


@pytest.fixture(scope="module")
def group(start_once: Start, database: Database) -> Iterator[Groups]:
    with ExitStack() as stack:
        yield Groups(start_once().wait_until_ready(), database, stack)


def timed(group: Group, found: list[float]) -> int:
    began = time.monotonic()
    status = group.call()
    found.append(time.monotonic() - began)
    return status


def test_a_target_that_hangs_is_left_alone(group: Groups) -> None:
    three = group(3, first_byte_timeout_ms=int(FIRST_BYTE * 1000), failure_threshold=3)
    other = group(1)
    hung = three.targets[1]
    hung.on("/it", says(b"", hang))
    took: list[float] = []
    beside: list[float] = []
    over = threading.Event()

    def ask_the_other() -> Counter[int]:
        told: Counter[int] = Counter()
        while not over.wait(0.005):
            told[timed(other, beside)] += 1
        return told

    with ThreadPoolExecutor(CLIENTS + 1) as threads:
        others = threads.submit(ask_the_other)
        told = Counter(threads.map(lambda _: timed(three, took), range(CALLS)))
        asked = len(hung.heads_of("/it"))
        after = [timed(three, took) for _ in range(30)]
        over.set()

    late = sum(seconds >= FIRST_BYTE for seconds in took)
    assert told == {200: CALLS - asked, 504: asked}
    assert 3 <= asked <= CLIENTS  # those that were under way at once
    let_through = len(hung.heads_of("/it")) - asked
    assert after.count(504) == let_through <= 2  # after a rest, one at a time
    assert late == asked + let_through
    assert max(took) < FIRST_BYTE + PROMPT
    assert set(others.result()) == {200}
    assert max(beside) < FIRST_BYTE
    hung.on("/it", says(OK))
    before = len(hung.heads_of("/it"))
    assert within(20, lambda: three.call() == 200 and len(hung.heads_of("/it")) > before + 3)
