"""INB-04, INB-06, WHK-03: real relays between a real database and the stand-in of SFTPGo, through
outages, hangs and kills."""

import signal
import statistics
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.db import transaction

from accounts import services as accounts
from accounts.models import Site, User
from events import mail
from provisioning.models import ClaimLink
from provisioning.services import tasks
from tests import make
from tests.gateway.conftest import Database, own_database
from tests.gateway.households import command
from tests.gateway.wire import within
from tests.provisioning.sftpgo import ADMIN, PASSWORD, StandIn, serving
from tests.provisioning.sftpgo_settings import configured

pytestmark = pytest.mark.slow
PATIENCE = 90.0
UNDONE = "SELECT count(*) FROM provisioning_provisioningtask WHERE state <> 'done'"
STATES = "SELECT DISTINCT state FROM provisioning_provisioningtask"
SENT = "SELECT count(*) FROM events_mail WHERE sent_at IS NOT NULL"
EXPIRE = "UPDATE provisioning_provisioningtask SET leased_until = now() WHERE lease IS NOT NULL"
WAIT_NO_LONGER = "UPDATE events_mail SET next_attempt_at = now() WHERE sent_at IS NULL"


class House:
    """A database, a stand-in on a port of its own, and relays."""

    def __init__(self, database: Database, place: Path, stack: ExitStack) -> None:
        self.database, self.place, self.stack = database, place, stack
        self.sftpgo = StandIn()
        self.relays: list[subprocess.Popen[bytes]] = []
        with ExitStack() as short:  # a port that nobody listens on yet
            self.url = short.enter_context(serving(StandIn()))
        self.port = int(self.url.rpartition(":")[2])

    def open_sftpgo(self) -> None:
        self.stack.enter_context(serving(self.sftpgo, self.port))

    def start(self) -> "subprocess.Popen[bytes]":
        given = {
            "DATABASE_URL": self.database.url, "SFTPGO_URL": self.url,
            "SFTPGO_ADMIN": ADMIN, "SFTPGO_PASSWORD": PASSWORD,
        }  # fmt: skip
        self.relays.append(command("relay", self.place / "relay.log", given))
        return self.relays[-1]

    def kill(self) -> None:
        for relay in self.relays:
            relay.kill()
            relay.wait()
        self.relays.clear()

    def register(self, numbers: range) -> None:
        with self.database.rows():
            site = Site.objects.first() or make.site()
            for number in numbers:
                make.member(f"member{number:02}", site=site, wordpress_id=number + 1)

    def change(self, username: str, deed: Callable[[User], object]) -> None:
        """What every use case does: the change and the want in one transaction."""
        with self.database.rows(), transaction.atomic():
            member = User.objects.get(username=username)
            deed(member)
            tasks.want(member)

    def count(self, statement: str) -> int:
        return int(str(self.database.fetch(statement)[0][0]))

    def is_done(self) -> bool:
        return not self.count(UNDONE)

    def log(self) -> str:
        return (self.place / "relay.log").read_text()


@pytest.fixture
def house(migrated: Database, tmp_path: Path, settings: object) -> Iterator[House]:
    with ExitStack() as stack:
        name = f"relay{uuid.uuid4().hex[:6]}"
        made = House(stack.enter_context(own_database(migrated, name)), tmp_path, stack)
        settings.SFTPGO = configured(made.url)
        try:
            yield made
        finally:
            made.sftpgo.let_go.set()
            made.kill()


def test_registrations_are_provisioned_soon_and_changes_arrive(house: House) -> None:
    house.open_sftpgo()
    house.start()
    house.register(range(1))
    assert within(PATIENCE, house.is_done), house.log()

    times = []
    for number in range(1, 8):
        house.register(range(number, number + 1))
        began = time.monotonic()
        assert within(PATIENCE, house.is_done), house.log()
        times.append(time.monotonic() - began)
    assert statistics.median(times) <= 2.0

    assert within(PATIENCE, lambda: house.count(SENT) == 8), house.log()
    assert set(house.sftpgo.users) == {f"member{number:02}" for number in range(8)}
    account = house.sftpgo.users["member03"]

    house.change("member03", lambda member: accounts.suspend(member, reason="", actor="test"))
    assert within(PATIENCE, house.is_done)
    assert house.sftpgo.users["member03"] == {**account, "status": 0}
    assert house.sftpgo.disconnected == ["member03"]

    house.change("member03", lambda member: accounts.resume(member, actor="test"))
    house.change(
        "member04", lambda member: accounts.change_member(member, actor="t", quota_size=None)
    )
    assert within(PATIENCE, house.is_done)
    assert house.sftpgo.users["member03"] == account
    assert house.sftpgo.users["member04"]["quota_size"] == 0


def test_an_outage_kills_no_task_and_each_says_why_it_waits(house: House) -> None:
    house.register(range(20))
    house.start()
    why = "SELECT count(*) FROM provisioning_provisioningtask WHERE last_error ~ '^SFTPGo:'"
    assert within(PATIENCE, lambda: house.count(why) == 20), house.log()
    assert house.database.fetch(STATES) == [("pending",)]

    house.open_sftpgo()

    assert within(PATIENCE, house.is_done), house.log()
    assert len(house.sftpgo.users) == 20
    assert within(PATIENCE, lambda: house.count(SENT) == 20)


def test_a_hang_holds_up_neither_letters_nor_the_end(house: House) -> None:
    house.open_sftpgo()
    house.sftpgo.trouble = lambda *_: "hang"
    house.register(range(10))
    relay = house.start()
    assert within(PATIENCE, lambda: len(house.sftpgo.requests) >= 1), house.log()

    with house.database.rows():
        mail.queue("welcome", recipient="bob@example.org", claim=claim_of_somebody())
    assert within(PATIENCE, lambda: house.count(SENT) == 1), house.log()
    began = time.monotonic()
    relay.send_signal(signal.SIGTERM)

    assert relay.wait(30) == 0
    assert time.monotonic() - began <= 5.0
    assert house.database.fetch(STATES) == [("pending",)]


def claim_of_somebody() -> str:
    link = ClaimLink.objects.first()
    assert link is not None
    return link.pk.hex


def test_relays_that_are_killed_lose_nothing_and_double_nothing(house: House) -> None:
    """Half of all creations lose their answer, so that a relay can die on either side of it."""
    numbers = iter(range(10_000))

    def trouble(method: str, _: str) -> str:
        return "lost" if method == "POST" and next(numbers) % 2 else ""

    house.sftpgo.trouble = trouble
    house.open_sftpgo()
    house.register(range(30))
    for wanted in (5, 12):
        house.start()
        house.start()
        enough = lambda: len(house.sftpgo.users) >= wanted  # noqa: E731, B023  called at once
        assert within(PATIENCE, enough, 0.001), house.log()
        house.kill()
        house.database.execute(EXPIRE)  # as 30 seconds would
        house.database.execute(WAIT_NO_LONGER)  # nor for the leases of letters

    house.start()
    house.start()

    assert within(PATIENCE, house.is_done), house.log()
    assert len(house.sftpgo.users) == 30
    assert within(PATIENCE, lambda: house.count(SENT) == 30), house.log()
    assert house.count("SELECT count(*) FROM events_mail") == 30
    done = "SELECT count(*) FROM events_event WHERE kind = 'provisioning:done'"
    assert house.count(done) == 30
