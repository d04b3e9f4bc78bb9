"""The same requests and changes at random through both doors, the gateway and Django without one:
each door with a member, a key and counters of its own, and both say and count the same."""

import itertools
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from momentry.common.fence.wait import wait
from momentry.supervisor.network import free_port
from tests import make
from tests.gateway import twins
from tests.gateway.books import books
from tests.gateway.conftest import Database
from tests.gateway.limited import room
from tests.gateway.processes import Gateway, environment, request
from tests.gateway.twins import CHANGES, Twin, twin
from tests.gateway.wire import Answer, Wire, within

pytestmark = pytest.mark.slow

ROOT: Final = Path(__file__).parents[2]
VERIFY: Final = "/api/v1/keys/verify"
PATHS: Final = (
    "/api/v1/me", "/api/v1/me/usage", "/api/v1/me/keys", "/api/v1/nothing-here",
    "/api/v1/admin/users", "/api/v1/me?api_key={}",
)  # fmt: skip
SPELLINGS: Final[tuple[tuple[str, ...], ...]] = (
    ("Authorization: Bearer {}",), ("authorization: bearer {}",), ("X-API-Key: {}",),
    ("api-key: {}",), ("X-API-Key: {}", "X-API-Key: {}"),
    ("Authorization: Bearer {}", "api-key: {}"), ("X-API-Key: {}, {}",), ("X_API_Key: {}",),
    ("Authorization: Basic {}",), ("Authorization: Bearer  {}",), ("Authorization: {}",),
    ("X-API-Key: {}x", "api-key: {}"), ("Cookie: api_key={}",),
)  # fmt: skip
SECRETS: Final = ("own", "old", "second", "foreign", "altered", "cut", "odd", "unknown", "wrong")
numbers: Final = itertools.count(1)


class Call(NamedTuple):
    path: str
    fields: tuple[str, ...]
    secret: str


class Ask(NamedTuple):
    secret: str
    question: dict[str, Any]


class Change(NamedTuple):
    name: str


Step = Call | Ask | Change
secrets = st.one_of(st.just("own"), st.sampled_from(SECRETS))  # half of them good
calls = st.builds(
    Call,
    st.one_of(st.just("/api/v1/nothing-here"), st.sampled_from(PATHS)),
    st.one_of(st.just(SPELLINGS[0]), st.sampled_from(SPELLINGS)),
    secrets,
)
questions = st.fixed_dictionaries(
    {},
    optional={
        "upstream": st.sampled_from(["echo", "dead", "nosuch"]),
        "method": st.sampled_from(["GET", "POST"]),
        "path": st.sampled_from(["/", "/a/b", "/a/../b", "/x"]),
        "ip": st.sampled_from(["127.0.0.1", "192.0.2.7", "203.0.113.9", "2001:db8::1"]),
        "cost": st.sampled_from([0, 1, 2, 7, 100, 1001]),
        "dry_run": st.booleans(),
        "explain": st.booleans(),
    },
)
steps = st.one_of(calls, calls, st.builds(Ask, secrets, questions), st.sampled_from(
    [Change(name) for name in CHANGES]
))  # fmt: skip
sequences = st.lists(steps, min_size=4, max_size=14)


class Doors(NamedTuple):
    gateway: int
    django: int
    validator: str
    database: Database

    def ask(self, port: int, step: Step, it: Twin) -> Answer:
        wire = Wire(socket.create_connection(("127.0.0.1", port), timeout=10))
        try:
            return wire.send(self.text(step, it)).answer()
        finally:
            wire.close()

    def text(self, step: Step, it: Twin) -> bytes:
        if isinstance(step, Ask):
            body = json.dumps({"key": it.secret(step.secret), **step.question}).encode()
            kind = "Content-Type: application/json"
            return request("POST", VERIFY, self.validator, kind, body=body)
        assert isinstance(step, Call)
        secret = it.secret(step.secret)
        fields = [field.replace("{}", secret) for field in step.fields]
        return request("GET", step.path.replace("{}", quote(secret)), "", *fields)


@pytest.fixture(scope="module")
def django_port(database: Database, directory: Path) -> Iterator[int]:
    """Django by itself, as an operator without the gateway runs it."""
    port = free_port(0)
    command = [sys.executable, "manage.py", "serve", "--socket", f"127.0.0.1:{port}"]
    given = {**os.environ, "DATABASE_URL": database.url, "MOMENTRY_NO_VENV": "1"}
    with (directory / "django.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=given, stdout=log, stderr=log)
    try:
        assert within(30, lambda: listens(port))
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


def listens(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def doors(database: Database, seeded: str, django_port: int) -> Iterator[Doors]:
    with database.rows():
        validator = make.service_key("validator").secret
        twins.accept(make.key(make.member("twins")).key, f"{twins.FORMAT}first")
    values = {"DATABASE_URL": database.url, "DJANGO_SOCKET": f"127.0.0.1:{django_port}"}
    gateway = Gateway(environment(**values), 1)
    try:
        gateway.wait_until_ready()
        time.sleep(1.1)  # so long Django may not know of a new form of secret
        yield Doors(gateway.port, django_port, validator, database)
        assert gateway.errors() == []
    finally:
        gateway.kill()


def play(doors: Doors, sequence: list[Step]) -> None:
    """The doors take turns at being first."""
    name = f"tw{os.getpid()}x{next(numbers)}"
    with transaction.atomic():
        make.tier(name, requests_per_month=20, requests_per_minute=60)
        both = [twin(f"{name}{letter}", name) for letter in "ab"]
    wait()
    ports = [doors.gateway, doors.django]
    try:
        for place, step in enumerate([*sequence, Ask("own", {"dry_run": True, "explain": True})]):
            turn = 1 if place % 2 else -1
            pairs = list(zip(both, ports, strict=True))[::turn]
            told = [told_of(doors, step, it, port) for it, port in pairs][::turn]
            wait()
            assert twins.differing(told[0][0], told[1][0]) == {}, step
            differences = [abs(a - b) for a, b in zip(told[0][1], told[1][1], strict=True)]
            assert max(differences, default=0) <= 2, step
        for subject in ("member:{}", "key:{}"):
            first, second = (
                books(doors.database, subject.format(id_of(it, subject))) for it in both
            )
            assert first == second
    finally:
        twins.forget(*both)
        wait()


def told_of(doors: Doors, step: Step, it: Twin, port: int) -> tuple[Any, list[int]]:
    if isinstance(step, Change):
        return twins.change(step.name, it), []
    answer = doors.ask(port, step, it)
    if isinstance(step, Call) and step.path.endswith("/usage") and answer.status == 200:
        answer = answer._replace(body=b"")  # logs are written at different paces
    return it.told(answer), twins.times(answer)


def id_of(it: Twin, subject: str) -> str:
    return (it.member if subject.startswith("member") else it.key).pk.hex


def run(doors: Doors, number: int) -> None:
    @settings(
        max_examples=number,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(sequence=sequences)
    def once(sequence: list[Step]) -> None:
        room(6)
        minute = time.time() // 60
        try:
            play(doors, sequence)
        except AssertionError:
            if time.time() // 60 == minute:
                raise
            room(30)  # a window ended in the midst of it, between the two doors
            play(doors, sequence)

    with doors.database.rows():
        once()


def test_both_doors_say_and_count_the_same(doors: Doors) -> None:
    run(doors, 10)


def test_both_doors_say_and_count_the_same_for_long(doors: Doors) -> None:
    run(doors, 80)
