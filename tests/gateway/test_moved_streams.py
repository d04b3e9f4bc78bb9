"""Who went on to another target holds one of the places for that only until it is answered."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.gateway.conftest import Database, Start
from tests.gateway.handshake import ASKED, accepted
from tests.gateway.misbehaving import hang, says
from tests.gateway.processes import request
from tests.gateway.test_targets import Groups
from tests.gateway.trio import free_port
from tests.gateway.wire import Wire


@pytest.fixture(scope="module")
def group(start_once: Start, database: Database) -> Iterator[Groups]:
    with ExitStack() as stack:
        made = Groups(start_once().wait_until_ready(), database, stack)
        made.count = 70
        yield made


def test_streams_of_those_that_moved_keep_nobody_waiting(group: Groups) -> None:
    pair = group(1, free_port(), weights="19", failure_threshold=1000)
    (staying,) = pair.targets
    ends = threading.Event()

    def stream(wire: Wire, _head: bytes) -> None:
        wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        assert ends.wait(60)
        wire.send(b"0\r\n\r\n")

    staying.on("/stream", stream)
    wires = [pair.gateway.connect() for _ in range(10)]
    for wire in wires:
        wire.send(request("GET", f"/proxy/{pair.slug}/stream", pair.secret))
    began = [wire.head().status for wire in wires]
    ends.set()

    assert began == [200] * len(wires)


def test_nor_do_their_websockets(group: Groups) -> None:
    pair = group(1, free_port(), weights="19", failure_threshold=1000)
    pair.targets[0].on("/socket", says(accepted(), hang))

    wires = [pair.gateway.connect() for _ in range(10)]
    for wire in wires:
        wire.send(request("GET", f"/proxy/{pair.slug}/socket", pair.secret, *ASKED))
    began = [wire.head().status for wire in wires]
    for wire in wires:
        wire.close()

    assert began == [101] * len(wires)
