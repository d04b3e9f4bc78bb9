"""Real relays and a real SMTP server: a letter that hangs, and relays that are killed."""

import signal
import subprocess
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from events import mail
from tests.events.smtp_server import DRIP, Server, smtp_server
from tests.gateway.conftest import Database, own_database
from tests.gateway.households import command
from tests.gateway.wire import within

pytestmark = pytest.mark.slow
PATIENCE = 60.0
SENT = "SELECT count(*)::int FROM events_mail WHERE sent_at IS NOT NULL"
LEFT = """
SELECT attempts::int, next_attempt_at > now() AND sent_at IS NULL AND failed_at IS NULL, last_error
  FROM events_mail
"""
WAIT_NO_LONGER = "UPDATE events_mail SET next_attempt_at = now() WHERE sent_at IS NULL"


class Office:
    def __init__(self, database: Database, server: Server, place: Path) -> None:
        self.database, self.server, self.file = database, server, place / "relay.log"
        self.relays: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        url = f"smtp://127.0.0.1:{self.server.port}?starttls=false&from=no-reply@example.org"
        given = {"DATABASE_URL": self.database.url, "EMAIL_URL": url}
        self.relays.append(command("relay", self.file, given))

    def kill(self) -> None:
        for relay in self.relays:
            relay.kill()
            relay.wait()
        self.relays.clear()

    def queue(self, *recipients: str) -> None:
        with self.database.rows():
            for recipient in recipients:
                mail.queue("resumed", recipient=recipient, member=uuid.uuid4().hex)

    def sent(self) -> int:
        return int(str(self.database.fetch(SENT)[0][0]))


@pytest.fixture
def office(migrated: Database, tmp_path: Path) -> Iterator[Office]:
    with ExitStack() as stack:
        database = stack.enter_context(own_database(migrated, f"mail{uuid.uuid4().hex[:6]}"))
        made = Office(database, stack.enter_context(smtp_server()), tmp_path)
        try:
            yield made
        finally:
            made.kill()


def test_a_recipient_that_hangs_holds_up_nobody_else(office: Office) -> None:
    office.server.silent_for = "slow@"
    office.queue("slow@example.org", *(f"m{number}@example.org" for number in range(12)))

    office.start()

    assert office.server.asked.acquire(timeout=PATIENCE), office.file.read_text()
    assert within(PATIENCE, lambda: office.sent() == 12), office.file.read_text()
    assert not office.server.over.is_set()
    assert "slow@example.org" not in {letter["To"] for letter in office.server.taken}


def test_relays_that_are_killed_lose_no_letter_and_double_none_under_another_name(
    office: Office,
) -> None:
    office.queue(*(f"m{number}@example.org" for number in range(60)))
    for wanted in (5, 20, 35):
        office.start()
        office.start()
        enough = lambda: len(office.server.taken) >= wanted  # noqa: E731, B023  called at once
        assert within(PATIENCE, enough, 0.001), office.file.read_text()
        office.kill()
        office.database.execute(WAIT_NO_LONGER)  # for the ends of the leases

    office.start()

    assert within(PATIENCE, lambda: office.sent() == 60), office.file.read_text()
    by_recipient = {letter["To"]: letter["Message-ID"] for letter in office.server.taken}
    ids = Counter(letter["Message-ID"] for letter in office.server.taken)
    assert len(by_recipient) == len(ids) == 60


def test_a_relay_that_is_stopped_in_the_middle_of_a_letter_ends_cleanly(office: Office) -> None:
    """It waits for the letter a while, and leaves it to the lease; the others are nobody's yet."""
    office.server.answers["RCPT"] = DRIP  # so no time-out of a single answer ends it
    office.queue("slow@example.org")
    office.start()
    assert within(PATIENCE, lambda: "RCPT" in office.server.verbs), office.file.read_text()
    (relay,) = office.relays

    relay.send_signal(signal.SIGTERM)
    code = relay.wait(PATIENCE)

    said = office.file.read_text()
    assert (code, said.count("Traceback"), said.count('"level": "error"')) == (0, 0, 0), said
    assert '"event": "rounds that did not end in time", "rounds": "mail' in said, said
    assert '"event": "relay stopped"' in said
    assert office.database.fetch(LEFT) == [(1, True, "")]
