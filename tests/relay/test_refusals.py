"""LOG-03: of refusals that writers log while two relays look and are killed, each is told once,
however late it comes in."""

import json
import random
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from apikeys.requestlog.insert import ENSURE_PARTITION, INSERT
from events.kinds import Kind
from events.models import Event, Refusal, RefusalTally
from events.refusals import HOUR, LATE, SETTLE, tell_refusals
from proxy.gateway.sampling import told
from tests.apikeys import logs
from tests.events.payloads import faults_of
from tests.gateway.conftest import Database, own_database
from tests.gateway.households import command
from tests.gateway.wire import within

pytestmark = pytest.mark.slow
WRITERS, TRANSACTIONS, KILLS = 4, 25, 12
PLACES = ("192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2")
WAITING = "SELECT count(*) FROM events_refusal"


class House:
    def __init__(self, database: Database, place: Path) -> None:
        self.database, self.place = database, place
        self.relays: list[subprocess.Popen[bytes]] = []
        self.logged = 0
        self.lock = threading.Lock()

    def start(self) -> None:
        given = {"DATABASE_URL": self.database.url}
        self.relays.append(command("relay", self.place / "relay.log", given))

    def kill(self, relay: "subprocess.Popen[bytes]") -> None:
        relay.kill()
        relay.wait()
        self.relays.remove(relay)

    def write(self, seed: int) -> None:
        """Transactions of every length; some tell of hours before, some come to nothing."""
        chance = random.Random(seed)
        with psycopg.connect(self.database.conninfo) as direct:
            for _ in range(TRANSACTIONS):
                counts = [self.log(direct, chance) for _ in range(chance.randint(1, 9))]
                time.sleep(chance.uniform(0, 0.3))
                if chance.random() < 0.2:
                    direct.rollback()
                    continue
                direct.commit()
                with self.lock:
                    self.logged += sum(counts)

    def log(self, direct: "psycopg.Connection[tuple[object, ...]]", chance: random.Random) -> int:
        ago = timedelta(seconds=chance.choice((0, 1, 60, 3600, 9000)))
        address, more = chance.choice(PLACES), chance.choice((0, 0, 0, 5))
        entry = logs.call(
            datetime.now(UTC) - ago, code="invalid_key", status=401, client_address=address
        )
        direct.execute(ENSURE_PARTITION, [entry.ts.date()])
        direct.execute(INSERT, told(entry, (address, 401, "invalid_key"), more))
        return 1 + more


@pytest.fixture
def house(migrated: Database, tmp_path: Path) -> Iterator[House]:
    with ExitStack() as stack:
        name = f"refusals{uuid.uuid4().hex[:6]}"
        made = House(stack.enter_context(own_database(migrated, name)), tmp_path)
        try:
            yield made
        finally:
            for relay in list(made.relays):
                made.kill(relay)


def test_each_is_told_once_through_kills(house: House) -> None:
    chance = random.Random(1)
    writers = [threading.Thread(target=house.write, args=(seed,)) for seed in range(WRITERS)]
    for writer in writers:
        writer.start()
    for _ in range(KILLS):
        while len(house.relays) < 2:
            house.start()
        time.sleep(chance.uniform(0.3, 1.5))
        house.kill(chance.choice(house.relays))
    for writer in writers:
        writer.join()
    house.start()
    assert within(60, lambda: house.database.fetch(WAITING) == [(0,)]), log_of(house)
    for relay in list(house.relays):
        house.kill(relay)

    with house.database.rows():
        later = datetime.now(UTC) + HOUR + SETTLE
        tell_refusals(later)
        tell_refusals(later + LATE + HOUR)
        events = list(Event.objects.filter(kind=Kind.AUTH_REFUSED))
        faults = [fault for event in events for fault in faults_of(event)]
        counts = [count_of(event) for event in events]
        left = (Refusal.objects.count(), RefusalTally.objects.count())

    assert house.logged > 500
    assert (sum(counts), faults, left) == (house.logged, [], (0, 0))
    assert len(events) < house.logged / 3


def count_of(event: Event) -> int:
    return int(json.loads(event.details or "{}")["count"])


def log_of(house: House) -> str:
    return (house.place / "relay.log").read_text()
