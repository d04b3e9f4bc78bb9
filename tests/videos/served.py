"""Django behind a gateway, each a process of its own, on a database that nobody else has."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from momentry.supervisor.places import ROOT
from tests.gateway.conftest import Database, starting
from tests.gateway.processes import Gateway, environment, request
from tests.gateway.wire import Answer, Wire, within
from tests.videos.calls import caller

JSON = "Content-Type: application/json"
SECONDS = 60.0  # for one answer: both cores may be busy, and all wait for one member's row


class House:
    """A gateway with its Django, which can be killed and comes back."""

    def __init__(
        self, database: Database, place: Path, gateway: Gateway, settings: dict[str, str]
    ) -> None:
        self.database = database
        self.settings = settings
        self.socket = place / "django.sock"
        self.gateway = gateway
        self.django = self.serve()

    def serve(self) -> "subprocess.Popen[bytes]":
        given = {"DATABASE_URL": self.database.url, "SECRET_KEY": os.environ["SECRET_KEY"]}
        self.socket.unlink(missing_ok=True)
        return subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "serve", "--socket", str(self.socket)],
            env=environment(**given, MOMENTRY_NO_VENV="1", **self.settings),
            stdout=subprocess.DEVNULL,
        )

    def wait_until_ready(self) -> None:
        assert within(60, self.socket.exists)
        self.gateway.wait_until_ready()

    def kill_django(self) -> None:
        self.django.kill()
        self.django.wait()

    def connect(self) -> Wire:
        wire = self.gateway.connect()
        wire.socket.settimeout(SECONDS)
        return wire


@contextmanager
def house(database: Database, place: Path, **settings: str) -> Iterator[House]:
    """``settings``: of Django, besides those that all tests have."""
    place.mkdir()
    with starting(database, place) as begin:
        gateway = begin(2, DJANGO_SOCKET=str(place / "django.sock"))
        made = House(database, place, gateway, settings)
        try:
            yield made
        finally:
            made.kill_django()


def post(wire: Wire, path: str, secret: str, body: Any, *fields: str) -> Answer:
    data = json.dumps(body).encode()
    return wire.send(request("POST", path, secret, JSON, *fields, body=data)).answer()


def key_of(database: Database, username: str, quota: int) -> tuple[str, str]:
    """A new member's id, and a key."""
    with database.rows():
        made = caller(username, quota=quota)
        return str(made.member.pk), made.secret
