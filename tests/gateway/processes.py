"""A gateway as a process, as an operator starts it."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from typing import Any

import psycopg

from tests.gateway.wire import Answer, Wire, within

LISTENING = re.compile(r"listening on http://\S+:(\d+),")


class Gateway:
    def __init__(
        self, environment: dict[str, str], workers: int = 1, stdin: int | None = None
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "proxy.gateway", "--workers", str(workers)],
            env=environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self.port = 0
        self.wires: list[Wire] = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if found := LISTENING.search(line):
                self.port = int(found[1])

    def wait_until_listening(self) -> "Gateway":
        assert within(15, lambda: self.port > 0 or self.process.poll() is not None), self.lines
        assert self.port, "".join(self.lines)
        return self

    def wait_until_ready(self) -> "Gateway":
        self.wait_until_listening()
        assert within(15, lambda: self.get("/readyz").status == 200), self.get("/readyz").body
        return self

    def connect(self) -> Wire:
        wire = Wire(socket.create_connection(("127.0.0.1", self.port), timeout=5))
        self.wires.append(wire)
        return wire

    def close_wires(self) -> None:
        while self.wires:  # a thread may add one meanwhile
            self.wires.pop().close()

    def ask(self, request: bytes, *, bodiless: bool = False) -> Answer:
        """One request on a connection of its own."""
        wire = self.connect()
        try:
            return wire.send(request).answer(bodiless=bodiless)
        finally:
            wire.close()

    def get(self, path: str, key: str = "", *fields: str) -> Answer:
        return self.ask(request("GET", path, key, *fields))

    def children(self) -> list[int]:
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(path) as file:  # noqa: PTH123 - a file of the kernel
            return [int(word) for word in file.read().split()]

    def errors(self) -> list[dict[str, Any]]:
        """What was logged of defects."""
        lines = [json.loads(line) for line in self.lines]
        return [line for line in lines if "exception" in line or line["level"] == "critical"]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """The exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(timeout=40)
        self.reader.join(timeout=5)
        return code

    def kill(self) -> None:
        """Its children too: a stopped one would outlive it, and hold the pipe that is read here."""
        self.close_wires()
        children = self.children() if self.process.poll() is None else []
        if self.process.poll() is None:
            self.process.kill()
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(timeout=10)
        assert self.process.stdout is not None
        self.reader.join(timeout=30)
        assert not self.reader.is_alive(), "a process still holds the gateway's output"
        self.process.stdout.close()


def request(method: str, path: str, key: str = "", *fields: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: gateway.test"]
    if key:
        lines.append(f"Authorization: Bearer {key}")
    lines += fields
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def environment(**given: str) -> dict[str, str]:
    """The tests' own secrets, nothing else of the caller's settings."""
    kept = (
        "PATH", "HOME", "ENCRYPTION_KEY", "API_KEY_PEPPERS", "ADMIN_TOKEN", "MOMENTRY_ENV",
        "REDIS_URL", "RATE_LIMIT_MAX_ATTEMPTS", "GATEWAY_COMPILED",
    )  # fmt: skip
    inherited = {name: os.environ[name] for name in kept if name in os.environ}
    return inherited | {"PORT": "0", "PYTHONUNBUFFERED": "1"} | given


def rows_of(database_url: str, where: str, *values: Any) -> list[dict[str, Any]]:
    """Request log rows, oldest first."""
    with psycopg.connect(database_url, row_factory=psycopg.rows.dict_row) as connection:
        query = f"SELECT * FROM apikeys_requestlog WHERE {where} ORDER BY ts, id"
        return connection.execute(query, values).fetchall()
