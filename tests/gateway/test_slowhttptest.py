"""slowhttptest in all its modes at once, by somebody who has a key: no good client is harmed."""

import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from proxy.gateway.pool import MAX_CONNECTIONS
from tests import make
from tests.gateway.conftest import Database, Start
from tests.gateway.misbehaving import OK
from tests.gateway.processes import Gateway
from tests.gateway.steady import Steady
from tests.gateway.tools import program
from tests.gateway.wire import Server, Wire, within

pytestmark = pytest.mark.slow

PATIENT = 60.0  # seconds of the upstream with who is slow, and of the attacks
SIZE = 8_000_000  # more than the kernel takes for anybody
LEASE = "10"  # seconds: a machine whose cores are busy holds up the database too
QUEUE = 20_000  # milliseconds: a connection is taken from somebody slow, on a busy machine too
HALF = MAX_CONNECTIONS // 2 + 40  # two of these are more than there are connections upstream


class Attack(NamedTuple):
    options: str
    connections: int
    path: str


ATTACKS = {
    "slow heads": Attack("-H -x 8", 200, "/"),
    "slow bodies": Attack("-B -s 8192", HALF, "/dripped"),
    "ranges": Attack("-R", 100, "/"),
    "slow reading": Attack("-X -w 512 -y 1024 -z 32", HALF, "/large"),
}


@pytest.fixture
def besieged(database: Database, upstream: Server) -> str:
    """The name of an upstream that has patience with who is slow."""

    def take(wire: Wire, _head: bytes) -> None:
        wire.socket.settimeout(PATIENT)
        wire.exactly(8192)
        wire.send(OK + b"Content-Length: 0\r\n\r\n")

    def give(wire: Wire, _head: bytes) -> None:
        wire.socket.settimeout(PATIENT)
        wire.send(OK + b"Content-Length: %d\r\n\r\n" % SIZE + b"x" * SIZE)

    upstream.on("/dripped", take)
    upstream.on("/large", give)
    with database.rows():
        place = f"http://127.0.0.1:{upstream.port}"
        return make.upstream("besieged", place, connect_timeout_ms=QUEUE).slug


SIEGE = 2 * MAX_CONNECTIONS  # descriptors: all connections upstream, and as many clients at least


@contextmanager
def attacking(gateway: Gateway, secret: str) -> Iterator[dict[str, subprocess.Popen[str]]]:
    place = f"http://127.0.0.1:{gateway.port}/proxy/besieged"
    running = {}
    for name, (options, connections, path) in ATTACKS.items():
        command = [
            program("slowhttptest", "slowhttptest"), *options.split(),
            "-c", str(connections), "-r", str(connections), "-i", "1", "-l", str(int(PATIENT)),
            # It knows no option for a header, and writes this one as it is given.
            "-u", place + path, "-j", f"a=b\r\nX-API-Key: {secret}",
        ]  # fmt: skip
        running[name] = subprocess.Popen(command, stdout=subprocess.DEVNULL, text=True)
    try:
        yield running
    finally:
        for process in running.values():
            process.send_signal(signal.SIGINT)
            process.wait(20)


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_good_clients_are_answered_meanwhile(
    start: Start, database: Database, besieged: str, upstream: Server
) -> None:
    names = (f"{kind}-{uuid.uuid4().hex[:8]}" for kind in ("good", "bad"))
    good, bad = (database.key_for(name, besieged) for name in names)
    gateway = start(FENCE_LEASE_SECONDS=LEASE).wait_until_ready()
    (pid,) = gateway.children()
    steady = Steady(gateway, good, f"/proxy/{besieged}/", clients=4)

    with attacking(gateway, bad) as attacks:
        assert within(PATIENT / 3, lambda: descriptors(pid) >= SIEGE), descriptors(pid)
        with steady.asking():
            steady.more(20)
            # That of the ranges comes to its end: it reads what it asked for.
            assert attacks["slow bodies"].poll() is attacks["slow reading"].poll() is None

    assert upstream.heads_of("/dripped")
    assert upstream.heads_of("/large")
    assert upstream.heads_with("Range: bytes=0-,5-0,")
    assert steady.failed == []
    assert gateway.errors() == []
