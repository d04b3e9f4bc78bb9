"""`manage.py serve`: a second one takes the socket's place, and the first ends without a cut."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from momentry.supervisor.notices import Notices
from momentry.supervisor.places import ROOT
from tests.gateway.wire import Wire
from tests.supervisor.tools import until

pytestmark = pytest.mark.slow

ASK = (
    b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
)


@contextmanager
def serving(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Once it says that it answers."""
    notices = Notices(path.with_name("notify"))
    process = subprocess.Popen(
        [sys.executable, "manage.py", "serve", "--socket", str(path)],
        cwd=ROOT,
        env={**os.environ, "MOMENTRY_NO_VENV": "1", "NOTIFY_SOCKET": str(notices.path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert until(lambda: "READY" in notices.read(), 60)
        yield process
    finally:
        notices.socket.close()
        process.kill()
        process.wait(timeout=10)


@contextmanager
def connected(path: Path) -> Iterator[Wire]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        yield Wire(connection)


def test_who_is_connected_to_the_first_is_answered_to_the_end(place: Path) -> None:
    path = place / "django.sock"
    with (
        serving(path) as first,
        connected(path) as used,
        connected(path) as unused,
        connected(path) as early,
    ):
        assert used.send(ASK).answer().field("connection") == ""
        early.send(ASK[:40])

        with serving(path) as second, connected(path) as fresh:
            first.send_signal(signal.SIGUSR1)
            assert not unused.is_closed_within(2)
            answers = [wire.send(ASK).answer() for wire in (used, unused, fresh)]
            answers.append(early.send(ASK[40:]).answer())

            assert [answer.status for answer in answers] == [404] * 4
            closes = [answer.field("connection") for answer in answers]
            assert closes == ["close", "close", "", "close"]
            assert first.wait(timeout=10) == 0
            assert second.poll() is None
            second.send_signal(signal.SIGTERM)
            assert second.wait(timeout=30) == 0


def test_who_serves_yields_to_the_gateway_in_every_thread(place: Path) -> None:
    path = place / "django.sock"
    with serving(path) as process, connected(path) as wire:
        assert wire.send(ASK).answer().status == 404

        threads = [int(thread.name) for thread in Path(f"/proc/{process.pid}/task").iterdir()]
        found = {os.getpriority(os.PRIO_PROCESS, thread) for thread in threads}
        places = {tuple(sorted(os.sched_getaffinity(thread))) for thread in threads}

    assert len(threads) > 1
    assert found == {os.nice(0) + 5}
    ours = tuple(sorted(os.sched_getaffinity(0)))
    assert places == {ours[1:] or ours}
