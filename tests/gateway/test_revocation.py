"""AUTH-01, AUTH-02: from the answer of a change on, no process admits what it took away."""

import contextlib
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

import pytest
from django.db import connection, transaction
from django.db.models import Q

from accounts.models import Status, User
from accounts.services import Profile
from apikeys.models import ApiKey, Grant, IpRule, LimitOverride
from apikeys.services.keys import revoke_key
from apikeys.services.life import disable_key, quarantine_key
from momentry.common.fence.wait import wait
from provisioning.services import members
from tests import make
from tests.gateway.conftest import Database, Start
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Server

WORKERS = 4
CLIENTS = 8
HERE = "127.0.0.1"


@dataclass
class Load:
    """Clients that call with one key without a pause; each call's begin and status are kept."""

    gateway: Gateway
    secret: str
    calls: list[tuple[float, int]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self.threads = [threading.Thread(target=self.run) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def run(self) -> None:
        text = request("GET", "/proxy/echo/x", self.secret)
        while not self.stop.is_set():
            with contextlib.suppress(OSError), contextlib.closing(self.gateway.connect()) as wire:
                while not self.stop.is_set():
                    began = time.monotonic()
                    status = wire.send(text).answer().status
                    self.calls.append((began, status))

    def admitted_after(self, moment: float) -> int:
        return sum(status == 200 for began, status in list(self.calls) if began > moment)


@pytest.fixture
def secret(database: Database, key: str) -> str:
    return database.key_for(f"r{uuid.uuid4().hex[:8]}", "echo")


@pytest.fixture(scope="module", params=["Valkey", "no Valkey"])
def gateway(request: pytest.FixtureRequest, start_once: Start) -> Iterator[Gateway]:
    given = {} if request.param == "Valkey" else {"REDIS_URL": "redis://127.0.0.1:9/0"}
    made = start_once(WORKERS, **given).wait_until_ready()
    yield made
    made.kill()


@pytest.fixture
def no_rules(database: Database) -> Iterator[None]:
    yield
    database.change("DELETE FROM apikeys_iprule")


def row(secret: str) -> ApiKey:
    return ApiKey.objects.select_related("owner").get(pk=secret.split("_")[1])


def owner(key: ApiKey) -> User:
    assert key.owner is not None
    return key.owner


def end(key: ApiKey) -> None:
    ApiKey.objects.filter(pk=key.pk).update(expires_at=datetime.now(UTC) - timedelta(seconds=1))


def block(_: ApiKey) -> None:
    IpRule.objects.create(network=f"{HERE}/32")


def lose_the_name(key: ApiKey) -> None:
    """As WordPress may have it: then the member is pending."""
    other = make.member(f"n{uuid.uuid4().hex[:8]}")
    profile = Profile(other.username, owner(key).email)
    members.update_for_site(owner(key), profile, actor="test")


NARROWINGS: dict[str, Callable[[ApiKey], object]] = {
    "revoked": lambda key: revoke_key(key, actor="test"),
    "disabled": lambda key: disable_key(key, actor="test"),
    "quarantined": lambda key: quarantine_key(key, actor="test"),
    "expired": end,
    "suspended": lambda key: User.objects.filter(pk=owner(key).pk).update(status=Status.SUSPENDED),
    "suspended by staff": lambda key: members.suspend_member(
        owner(key), reason="", actor="staff:1"
    ),
    "deleted": lambda key: members.delete_member(owner(key), actor="staff:1"),
    "pending": lose_the_name,
    "no grant": lambda key: Grant.objects.filter(
        Q(member_id=key.owner_id) | Q(tier_id=owner(key).tier)
    ).delete(),
    "no scope": lambda key: ApiKey.objects.filter(pk=key.pk).update(scopes=["usage:read"]),
    "other networks": lambda key: ApiKey.objects.filter(pk=key.pk).update(
        allowed_networks=["192.0.2.0/24"]
    ),
    "blocked": block,
    "limit": lambda key: LimitOverride.objects.create(
        member=key.owner, name="requests_lifetime", value=1
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NARROWINGS)
def test_from_the_answer_on_no_process_admits(
    gateway: Gateway, database: Database, secret: str, name: str, no_rules: None
) -> None:
    with Load(gateway, secret) as load:
        time.sleep(0.6)
        with database.rows():
            NARROWINGS[name](row(secret))
            wait()
            answered = time.monotonic()
        time.sleep(0.6)

    before = sum(status == 200 for began, status in load.calls if began < answered)
    assert before > 20
    assert load.admitted_after(answered) == 0
    assert any(began > answered for began, _ in load.calls)


@pytest.mark.slow
def test_a_stopped_process_delays_the_answer_by_its_lease_and_admits_nothing_later(
    start: Start, database: Database, key: str
) -> None:
    """Ten times of ten. What was asked of it while it stood still is answered when it goes on."""
    gateway = start(WORKERS).wait_until_ready()
    stops = [0.0, 0.1, 0.2, 0.3, 0.9] * 2  # seconds from the stop to the change
    for turn, pause in enumerate(stops):
        secret = database.key_for(f"s{uuid.uuid4().hex[:8]}", "echo")
        call = request("GET", "/proxy/echo/x", secret)
        wires = [gateway.connect() for _ in range(WORKERS * 6)]
        assert {wire.send(call).answer().status for wire in wires} == {200}
        stopped = gateway.children()[turn % WORKERS]
        os.kill(stopped, signal.SIGSTOP)
        try:
            time.sleep(pause)
            with database.rows():
                revoke_key(row(secret), actor="test")
                began = time.monotonic()
                wait()
                took = time.monotonic() - began
            for wire in wires:
                wire.send(call)
        finally:
            os.kill(stopped, signal.SIGCONT)

        assert took <= 1.25
        assert {wire.answer().status for wire in wires} == {401}
        gateway.close_wires()


def test_a_killed_process_delays_nobody_longer_than_its_lease(
    start: Start, database: Database, secret: str
) -> None:
    gateway = start(2).wait_until_ready()
    os.kill(gateway.children()[0], signal.SIGKILL)

    with database.rows():
        revoke_key(row(secret), actor="test")
        began = time.monotonic()
        wait()

    assert time.monotonic() - began <= 1.25


def test_what_is_given_back_counts_from_the_answer_on(
    start: Start, database: Database, secret: str
) -> None:
    gateway = start(2).wait_until_ready()
    assert gateway.get("/proxy/echo/x", secret).status == 200
    key_id = secret.split("_")[1]

    def set_state(moment: datetime | None) -> None:
        with database.rows():
            ApiKey.objects.filter(pk=key_id).update(disabled_at=moment)
            wait()

    for _ in range(5):
        set_state(datetime.now(UTC))
        assert [gateway.get("/proxy/echo/x", secret).status for _ in range(8)] == [401] * 8
        set_state(None)
        assert [gateway.get("/proxy/echo/x", secret).status for _ in range(8)] == [200] * 8


def test_an_open_stream_of_a_revoked_key_is_cut_within_a_second(
    start: Start, database: Database, secret: str, upstream: Server
) -> None:
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun"
    upstream.on("/flow", lambda wire, _: wire.send(begun).is_closed_within(20))
    gateway = start(1).wait_until_ready()
    wire = gateway.connect().send(request("GET", "/proxy/echo/flow", secret))
    wire.until(b"begun")
    other = gateway.connect().send(
        request("GET", "/proxy/echo/flow", database.key_for(f"o{uuid.uuid4().hex[:6]}", "echo"))
    )
    other.until(b"begun")

    with database.rows():
        revoke_key(row(secret), actor="test")
        wait()

    assert wire.is_closed_within(1)
    assert not other.is_closed_within(0.3)


def test_a_process_that_cannot_follow_refuses_rather_than_guess(
    start: Start, database: Database, secret: str
) -> None:
    gateway = start(1).wait_until_ready()
    assert gateway.get("/proxy/echo/x", secret).status == 200

    with database.rows(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE common_fence SET generation = generation + 1")
        time.sleep(1.4)
        assert gateway.get("/proxy/echo/x", secret).status == 503

    assert gateway.get("/proxy/echo/x", secret).status == 200
