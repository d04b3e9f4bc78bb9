"""OPS-03: `manage.py restart` replaces what `up` runs, under load, and no request fails."""

import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from momentry.supervisor.places import ROOT
from tests.gateway.wire import Cut, Wire
from tests.supervisor.running import Up
from tests.supervisor.tools import until

pytestmark = pytest.mark.slow

REPLACED = ("manage.py serve", "manage.py relay", "manage.py worker")
KEPT = ("postgres -D", "valkey-server", "manage.py echo", "manage.py gateway")


def restart(data: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "restart", "--data-dir", str(data)],
        cwd=ROOT,
        env={**os.environ, "MOMENTRY_NO_VENV": "1"},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


class Members:
    """Clients that make members, each of its own name, over kept connections."""

    def __init__(self, up: Up, clients: int = 6) -> None:
        self.up = up
        self.token = (up.data / "secrets" / "admin-token").read_text().strip()
        self.numbers = itertools.count()
        self.made: list[str] = []
        self.failed: list[str] = []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(clients)]

    @contextlib.contextmanager
    def asking(self) -> Iterator["Members"]:
        for thread in self.threads:
            thread.start()
        try:
            yield self
        finally:
            self.over.set()
            for thread in self.threads:
                thread.join(30)

    def run(self) -> None:
        try:
            while not self.over.is_set():
                wire = Wire(socket.create_connection(("127.0.0.1", self.up.port), timeout=20))
                wire.socket.settimeout(20)
                while not self.over.is_set() and self.make(wire):
                    time.sleep(0.05)
                wire.close()
        except (OSError, Cut) as error:
            self.failed.append(repr(error))

    def make(self, wire: Wire) -> bool:
        name = f"member-{next(self.numbers)}"
        body = json.dumps({"username": name}).encode()
        head = (
            "POST /api/v1/admin/users HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer {self.token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        answer = wire.send(head.encode() + body).answer()
        if answer.status == 201:
            self.made.append(name)
        else:
            self.failed.append(f"{answer.status} {answer.body!r}")
        return answer.field("connection") != "close"

    def more(self, count: int) -> None:
        wanted = len(self.made) + count
        assert until(lambda: len(self.made) >= wanted or bool(self.failed), 60)

    def stored(self) -> int:
        wire = Wire(socket.create_connection(("127.0.0.1", self.up.port), timeout=20))
        head = (
            "GET /api/v1/admin/users?page_size=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer {self.token}\r\nConnection: close\r\n\r\n"
        )
        with contextlib.closing(wire):
            return int(json.loads(wire.send(head.encode()).answer().body)["total"])


def pids(up: Up, words: tuple[str, ...]) -> dict[str, int]:
    assert until(lambda: all(up.child(word) for word in words), 30)
    return {word: up.child(word) for word in words}


def test_a_restart_under_posts_makes_each_member_once(place: Path) -> None:
    with Up(place, "--workers", "2") as up:
        up.announced()
        before, kept = pids(up, REPLACED), pids(up, KEPT)
        gateways = gateway_children(up)
        members = Members(up)
        found = members.stored()

        with members.asking():
            members.more(30)
            for _ in range(2):
                done = restart(up.data)
                assert done.returncode == 0, done.stderr
                members.more(30)

        assert members.failed == []
        assert members.stored() == found + len(members.made)
        assert "gateway replaced" in done.stdout
        after = pids(up, REPLACED)
        assert not set(before.values()) & set(after.values())
        assert pids(up, KEPT) == kept
        assert not gateways & gateway_children(up)
        assert until(lambda: count(up, "manage.py serve") == 1, 60)
        assert up.stop() <= 5
        assert up.process.returncode == 0


def gateway_children(up: Up) -> set[int]:
    parent = up.child("manage.py gateway")
    listed = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return {int(pid) for pid in listed}


def count(up: Up, words: str) -> int:
    return sum(words in line for line in up.family().values())


def test_what_cannot_start_changes_nothing_and_is_told(place: Path) -> None:
    """The gateway's settings are refused before anything starts, Django's when it starts."""
    drain, origins = place / "drain", place / "origins"
    drain.write_text("5")
    origins.write_text("http://127.0.0.1")
    files = {"DRAIN_SECONDS_FILE": str(drain), "CSRF_TRUSTED_ORIGINS_FILE": str(origins)}
    with Up(place / "var", variables=files) as up:
        up.announced()
        before, children = pids(up, (*REPLACED, *KEPT)), gateway_children(up)

        drain.write_text("soon")
        assert refusal(up) == "DRAIN_SECONDS is not a number.\n"
        drain.write_text("4")
        origins.write_text("no-scheme.example.org")
        assert "CSRF_TRUSTED_ORIGINS" in refusal(up)

        assert pids(up, (*REPLACED, *KEPT)) == before
        assert gateway_children(up) == children
        assert up.get("/admin/login/") == 200
        origins.write_text("http://127.0.0.1")
        assert restart(up.data).returncode == 0


def refusal(up: Up) -> str:
    refused = restart(up.data)
    assert refused.returncode == 1
    return refused.stderr


def test_without_a_running_one_it_is_a_sentence(place: Path) -> None:
    refused = restart(place)

    assert refused.returncode == 1
    assert refused.stderr == f"No momentry runs with the data directory {place}.\n"
