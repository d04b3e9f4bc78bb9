"""Two doors of one service: gateways, each with its Django, on one database."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from momentry.supervisor.places import ROOT
from tests.gateway.conftest import Database, starting
from tests.gateway.processes import Gateway, environment, request
from tests.gateway.wire import Answer, within

JSON = "Content-Type: application/json"


class Doors:
    def __init__(self, gateways: list[Gateway]) -> None:
        self.gateways = gateways
        self.turn = 0

    def ask(self, method: str, path: str, secret: str, body: Any = None, *fields: str) -> Answer:
        """At one door after the other."""
        self.turn += 1
        data = b"" if body is None else json.dumps(body).encode()
        typed = (JSON, *fields) if data else fields
        gateway = self.gateways[self.turn % len(self.gateways)]
        wire = gateway.connect()
        wire.socket.settimeout(60)
        try:
            return wire.send(request(method, path, secret, *typed, body=data)).answer()
        finally:
            wire.close()


@contextmanager
def two_doors(database: Database) -> Iterator[Doors]:
    with ExitStack() as stack:
        sockets, gateways = [], []
        for _ in range(2):
            place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vd-")))
            stack.enter_context(serving(database, place / "django.sock"))
            begin = stack.enter_context(starting(database, place))
            gateways.append(begin(1))
            sockets.append(place / "django.sock")
        for path, gateway in zip(sockets, gateways, strict=True):
            assert within(90, path.exists)
            gateway.wait_until_ready()
        yield Doors(gateways)


@contextmanager
def serving(database: Database, path: Path) -> Iterator[None]:
    given = {"DATABASE_URL": database.url, "SECRET_KEY": os.environ["SECRET_KEY"]}
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "serve", "--socket", str(path)],
        env=environment(**given, MOMENTRY_NO_VENV="1"),
        stdout=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()
