"""Clients that never pause, GET and POST by turns over kept connections: every failure is kept."""

import contextlib
import itertools
import threading
import time
from collections.abc import Iterator

from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Answer, Cut, Wire

SECONDS = 20.0  # until an answer counts as missing


class Steady:
    """``done`` are the request ids of good answers; ``failed`` says how others went wrong."""

    def __init__(self, gateway: Gateway, secret: str, path: str, clients: int = 16) -> None:
        self.gateway = gateway
        self.secret = secret
        self.path = path
        self.done: list[str] = []
        self.failed: list[str] = []
        self.closed = 0
        self.over = threading.Event()
        self.numbers = itertools.count()
        self.threads = [threading.Thread(target=self.run) for _ in range(clients)]

    @contextlib.contextmanager
    def asking(self) -> Iterator["Steady"]:
        for thread in self.threads:
            thread.start()
        try:
            yield self
        finally:
            self.over.set()
            for thread in self.threads:
                thread.join(SECONDS)

    def run(self) -> None:
        """As a client with keep-alive does: a new connection when an answer says so."""
        try:
            while not self.over.is_set():
                wire = self.gateway.connect()
                wire.socket.settimeout(SECONDS)
                while not self.over.is_set() and self.ask(wire):
                    pass
                wire.close()
        except ConnectionRefusedError as error:
            if not self.over.is_set():
                self.failed.append(repr(error))
        except (OSError, Cut) as error:
            self.failed.append(repr(error))

    def ask(self, wire: Wire) -> bool:
        """False: this connection is over."""
        method, body = self.ask_for(next(self.numbers))
        answer = wire.send(request(method, self.path, self.secret, body=body)).answer()
        self.judge(answer, body)
        closes = answer.field("connection") == "close"
        self.closed += closes
        return not closes

    def ask_for(self, number: int) -> tuple[str, bytes]:
        return ("GET", b"") if number % 2 else ("POST", b"%d;" % number * 200)

    def judge(self, answer: Answer, body: bytes) -> None:
        if answer.status != 200 or not answer.body.endswith(body):
            self.failed.append(f"{answer.status} {answer.body[:200]!r}")
        else:
            self.done.append(answer.field("x-request-id"))

    def more(self, answers: int) -> None:
        """Until so many further requests were answered."""
        wanted = len(self.done) + answers
        end = time.monotonic() + SECONDS
        while len(self.done) < wanted and not self.failed:
            assert time.monotonic() < end, "the clients stand still"
            time.sleep(0.01)
