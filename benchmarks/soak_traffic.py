"""The traffic of the soak: each kind at its own steady pace, and what did not go as it must."""

import contextlib
import itertools
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, Final

from tests.gateway.handshake import ASKED, CLOSE, frame
from tests.gateway.processes import request
from tests.gateway.wire import Answer, Cut, Wire

PATIENCE: Final = 20.0  # seconds until an answer counts as missing
PIECE: Final = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
PIECES: Final = 8
EVENTS: Final = 10
RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: a close that lingers for no time is a reset
MASK: Final = b"\x01\x02\x03\x04"


class Traffic:
    """``faults`` says what went wrong; ``counts`` how often each kind was done."""

    def __init__(self, port: int, free: str, limited: str, tight: str, owner: Any) -> None:
        self.port = port
        self.free, self.limited, self.tight, self.owner = free, limited, tight, owner
        self.faults: list[str] = []
        self.counts: dict[str, int] = {}
        self.over = threading.Event()
        self.numbers = itertools.count()
        self.kept: dict[str, Wire] = {}

    def kinds(self) -> dict[Callable[[], None], float]:
        """What is done, and after how many seconds again."""
        return {
            self.call: 0.1,
            self.limited_call: 0.25,
            self.refused_by_limit: 1.0,
            self.stream: 1.0,
            self.upload: 2.0,
            self.download: 2.0,
            self.nobody: 0.25,
            self.malformed: 1.0,
            self.leave: 0.5,
            self.leave_upload: 1.0,
            self.key_that_ends: 2.0,
            self.websocket: 1.0,
            self.ask_django: 4.0,
        }

    @contextlib.contextmanager
    def flowing(self) -> Iterator[None]:
        threads = [
            threading.Thread(target=self.repeat, args=[kind, seconds])
            for kind, seconds in self.kinds().items()
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.over.set()
            for thread in threads:
                thread.join()
            for wire in self.kept.values():
                wire.close()

    def repeat(self, kind: Callable[[], None], seconds: float) -> None:
        name, due = kind.__name__, time.monotonic()
        while not self.over.wait(max(0.0, due - time.monotonic())):
            due += seconds
            try:
                kind()
            except (OSError, Cut) as error:
                self.faults.append(f"{name}: {error!r}")
                self.kept.pop(name, None)
            self.counts[name] = self.counts.get(name, 0) + 1

    def expect(self, answer: Answer, *statuses: int) -> Answer:
        if answer.status not in statuses:
            self.faults.append(f"{statuses} expected: {answer.status} {answer.body[:200]!r}")
        return answer

    @contextlib.contextmanager
    def connected(self) -> Iterator[Wire]:
        wire = Wire(socket.create_connection(("127.0.0.1", self.port), PATIENCE))
        wire.socket.settimeout(PATIENCE)
        try:
            yield wire
        finally:
            wire.close()

    def ask(self, text: bytes) -> Answer:
        with self.connected() as wire:
            return wire.send(text).answer()

    def ask_kept(self, name: str, text: bytes) -> Answer:
        """On the connection that this kind keeps, until an answer says that it ends."""
        wire = self.kept.get(name)
        if wire is None:
            wire = Wire(socket.create_connection(("127.0.0.1", self.port), PATIENCE))
            wire.socket.settimeout(PATIENCE)
            self.kept[name] = wire
        answer = wire.send(text).answer()
        if answer.field("connection") == "close":
            self.kept.pop(name).close()
        return answer

    def coin(self) -> bool:
        """Of a number that all kinds count on: neither side follows a pattern of one kind."""
        return next(self.numbers) % 2 == 0

    def call(self) -> None:
        body = b'{"n": %d}' % next(self.numbers) * 20
        get = request("GET", "/proxy/soak/json", self.free)
        post = request("POST", "/proxy/soak/json", self.free, body=body)
        self.expect(self.ask_kept("call", get if self.coin() else post), 200)

    def limited_call(self) -> None:
        text = request("GET", "/proxy/soak/json", self.limited)
        self.expect(self.ask_kept("limited_call", text), 200)

    def refused_by_limit(self) -> None:
        self.expect(self.ask(request("GET", "/proxy/soak/json", self.tight)), 200, 429)

    def stream(self) -> None:
        answer = self.ask(request("GET", "/proxy/soak/events", self.free))
        if self.expect(answer, 200).body.count(b"data: ") != EVENTS:
            self.faults.append("a stream was not whole")

    def upload(self) -> None:
        text = request("POST", "/proxy/soak/up", self.free, "Transfer-Encoding: chunked")
        answer = self.ask(text + PIECE * PIECES + b"0\r\n\r\n")
        if self.expect(answer, 200).body != b"%d" % (PIECES << 16):
            self.faults.append("an upload was not whole")

    def download(self) -> None:
        answer = self.ask(request("GET", "/proxy/soak/down", self.limited))
        if len(self.expect(answer, 200).body) != 1 << 20:
            self.faults.append("a download was not whole")

    def nobody(self) -> None:
        """Another address each time, as of a trusted front: each may guess a few times."""
        number = next(self.numbers)
        address = f"X-Forwarded-For: 198.51.{number >> 8 & 255}.{number & 255}"
        place = 46 + number % (len(self.free) - 46)
        wrong = self.free[:place] + ("a" if self.free[place] != "a" else "b")
        for secret in ("", wrong + self.free[place + 1 :]):
            answer = self.ask(request("GET", "/proxy/soak/json", secret, address))
            self.expect(answer, 401, 429)

    def malformed(self) -> None:
        big = "X-Big: " + "x" * 40_000
        self.expect(self.ask(request("GET", "/proxy/soak/json", self.free, big)), 431)
        self.expect(self.ask(request("GET", "/proxy/soak/../json", self.free)), 400)
        self.expect(self.ask(b"GET / HTTP/1.1\nHost: a\n\n"), 400)

    def leave(self) -> None:
        """Now and then before the answer's head, at times after it, often with a reset."""
        with self.connected() as wire:
            wire.send(request("GET", "/proxy/soak/never", self.limited))
            if self.coin():
                self.expect(wire.head(), 200)
            self.break_off(wire)

    def leave_upload(self) -> None:
        with self.connected() as wire:
            text = request("POST", "/proxy/soak/up", self.free, "Content-Length: 9000000")
            wire.send(text + b"x" * (next(self.numbers) * 7919 % 100_000))
            self.break_off(wire)

    def break_off(self, wire: Wire) -> None:
        if self.coin():
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    def key_that_ends(self) -> None:
        """Made, used, revoked, tried."""
        keys = import_module("apikeys.services.keys")
        made = keys.issue_member_key(self.owner, name="soak", actor="benchmark")
        text = request("GET", "/proxy/soak/json", made.secret)
        for _ in range(2):
            self.expect(self.ask(text), 200)
        place = f"/api/v1/admin/keys/{made.key.pk}"
        self.expect(self.ask(request("DELETE", place, os.environ["ADMIN_TOKEN"])), 204)
        self.expect(self.ask(text), 401)

    def websocket(self) -> None:
        with self.connected() as wire:
            wire.send(request("GET", "/proxy/soak/socket", self.limited, *ASKED))
            self.expect(wire.head(), 101)
            for _ in range(3):
                wire.send(frame(b"hello", mask=MASK)).until(b"heard")
            if self.coin():
                self.break_off(wire)
            else:
                wire.send(CLOSE[:1] + b"\x82" + MASK + b"\x02\xea").until(CLOSE)

    def ask_django(self) -> None:
        page = request("GET", "/api/v1/admin/keys?page_size=5", os.environ["ADMIN_TOKEN"])
        self.expect(self.ask_kept("ask_django", page), 200)
        self.expect(self.ask(request("GET", "/api/v1/nothing", self.free)), 403, 404)
