"""WHK-03: real relays, a real database and real receivers, through kills, ends and outages."""

import random
import signal
import time

import pytest
from django.db import transaction

from events.kinds import Kind
from events.models import Event
from events.services import record
from tests import make
from tests.events.hooks import endpoint, receiving, silence
from tests.events.relays import DUE, EXPIRE, LEFT, House
from tests.gateway.wire import within

pytestmark = pytest.mark.slow

PATIENCE = 90.0
HELD = "SELECT count(*) FROM events_webhookdelivery WHERE lease IS NOT NULL"
# Beside what the relay itself tells of the chain.
ITS_OWN = """
SELECT (SELECT count(*) FROM events_webhookdelivery
         WHERE delivered_at IS NULL AND split_part(kind, ':', 1) <> 'chain')
     + (SELECT count(*) FROM events_webhookfanout WHERE split_part(kind, ':', 1) <> 'chain')
"""
CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def test_an_event_arrives_and_one_that_is_rolled_back_never(house: House) -> None:
    with receiving() as receiver:
        secret = house.tell(receiver, "apikey:*")
        house.start()
        with house.database.rows(), transaction.atomic():
            record(Kind.APIKEY_CLAIMED, actor="test", subject="key:gone")
            transaction.set_rollback(True)
        wanted = house.happen(1)
        assert within(PATIENCE, lambda: bool(receiver.heard)), house.log()

        for _ in range(5):
            wanted.update(house.happen(1))
            assert within(PATIENCE, lambda: set(receiver.ids()) == wanted), house.log()

    assert all(each.is_signed(secret) for each in receiver.heard)
    assert len(receiver.ids()) == len(wanted)


def test_killed_relays_lose_nothing_and_double_only_the_same_id(house: House) -> None:
    """Each answer takes a moment, so that relays die in the middle of many."""

    def answer(*_: object) -> tuple[int, dict[str, str]]:
        time.sleep(random.uniform(0, 0.1))
        return (200 if random.random() < 0.9 else 503), {}

    with receiving(answer) as receiver, receiving(answer) as other:
        house.tell(receiver, "apikey:*")
        house.tell(other, "apikey:created")
        wanted = house.happen(60)
        for least in (5, 20, 40, 60):
            house.start()
            house.start()
            enough = lambda: len(receiver.ids()) >= least  # noqa: E731, B023  called at once
            assert within(PATIENCE, enough, 0.001), house.log()
            house.kill()
            wanted |= house.happen(20)
            house.database.execute(EXPIRE)  # as 45 seconds would
            house.database.execute(DUE)
        receiver.answer = other.answer = lambda *_: (200, {})
        house.start()
        house.start()
        house.database.execute(DUE)
        assert within(PATIENCE, lambda: not house.count(LEFT)), house.log()

    for each in (receiver, other):
        assert set(each.ids()) == wanted
        bodies = {heard.id: heard.body for heard in each.heard}
        assert all(heard.body == bodies[heard.id] for heard in each.heard)


def test_a_relay_that_ends_gives_back_what_hangs(house: House) -> None:
    with silence() as silent:
        with house.database.rows():
            endpoint(silent.url)
        relay = house.start()
        assert within(PATIENCE, lambda: bool(silent.taken)), house.log()
        relay.send_signal(signal.SIGTERM)
        assert relay.wait(30) == 0

    assert house.count(HELD) == 0
    assert house.count(ITS_OWN) == 1


def test_a_database_that_breaks_off_loses_nothing(house: House) -> None:
    with receiving() as receiver:
        house.tell(receiver, "apikey:*")
        house.start()
        wanted: set[str] = set()
        for _ in range(8):
            wanted |= house.happen(10)
            house.database.execute(CUT)
        assert within(PATIENCE, lambda: not house.count(LEFT)), house.log()

    assert set(receiver.ids()) == wanted


def test_a_receiver_that_is_away_gets_all_when_it_is_back(house: House) -> None:
    with receiving() as receiver:
        receiver.answer = lambda *_: (502, {})
        house.tell(receiver, "apikey:*")
        house.start()
        wanted = house.happen(30)
        assert within(PATIENCE, lambda: set(receiver.ids()) == wanted), house.log()
        receiver.answer = lambda *_: (200, {})
        house.database.execute(DUE)
        assert within(PATIENCE, lambda: not house.count(LEFT)), house.log()

    assert set(receiver.ids()) == wanted


TURNED = "SELECT turned_at FROM common_roundcount WHERE name = 'webhooks'"


def test_its_round_says_when_it_last_looked_also_while_something_hangs(house: House) -> None:
    with silence() as silent:
        with house.database.rows():
            endpoint(silent.url)
        house.start()
        assert within(PATIENCE, lambda: bool(silent.taken)), house.log()
        assert within(PATIENCE, lambda: bool(house.database.fetch(TURNED))), house.log()
        (first,) = house.database.fetch(TURNED)
        assert within(PATIENCE, lambda: house.database.fetch(TURNED) != [first]), house.log()

    assert house.count("SELECT failures FROM common_roundcount WHERE name = 'webhooks'") == 0


def test_the_endpoint_of_the_environment_is_told(house: House) -> None:
    secret = make.webhook_secret()
    with receiving() as receiver:
        house.start(WEBHOOK_URL=receiver.url, WEBHOOK_SECRET=secret)
        assert within(PATIENCE, lambda: bool(receiver.heard)), house.log()

    (heard,) = receiver.heard
    assert heard.is_signed(secret)
    with house.database.rows():
        assert str(Event.objects.get(kind="webhook:created").pk) == heard.id
    assert secret.removeprefix("whsec_") not in house.log()
