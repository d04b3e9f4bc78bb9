"""QTA-04: many clients of one member, over two gateways and two Djangos, never exceed its quota by
a byte, and what is counted is the sum of its sizes. DUR-03: a killed Django leaves no half."""

import json
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.gateway.conftest import Database, own_database
from tests.gateway.wire import Answer, Cut, Wire
from tests.videos.calls import REGISTER, UPLOADS
from tests.videos.served import House, house, key_of, post

pytestmark = pytest.mark.slow
CLIENTS = 64
# As a rule of the database: one byte too many at any instant is a 500 for whoever takes it.
HELD = """
ALTER TABLE accounts_user
  ADD CONSTRAINT quota_held CHECK (quota_used + quota_reserved <= quota_size)
"""
COUNTED = """
SELECT quota_used, quota_reserved,
       (SELECT coalesce(sum(size), 0)::bigint FROM videos_video
         WHERE owner_id = u.id AND deleted_at IS NULL),
       (SELECT coalesce(sum(size), 0)::bigint FROM videos_upload
         WHERE owner_id = u.id AND state = 'open')
  FROM accounts_user u WHERE id = %s::uuid
"""
HALVES = """
SELECT v.path, count(DISTINCT j.id), count(DISTINCT s.id),
       (SELECT count(*) FROM events_event e
         WHERE e.kind = 'video:registered' AND e.subject = 'video:' || replace(v.id::text, '-', ''))
  FROM videos_video v LEFT JOIN videos_processingjob j ON j.video_id = v.id
  LEFT JOIN videos_processingstep s ON s.job_id = j.id
 WHERE v.owner_id = %s::uuid GROUP BY v.id
"""
ORPHANS = """
SELECT count(*) FROM events_event e WHERE e.kind = 'video:registered' AND NOT EXISTS (
  SELECT 1 FROM videos_video v WHERE e.subject = 'video:' || replace(v.id::text, '-', ''))
"""


@pytest.fixture(scope="module")
def database(migrated: Database) -> Iterator[Database]:
    with own_database(migrated, "races") as made:
        made.execute(HELD)
        yield made


@pytest.fixture(scope="module")
def started(database: Database) -> Iterator[list[House]]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="v-")))
        yield [stack.enter_context(house(database, directory / str(n))) for n in range(2)]


@pytest.fixture
def houses(started: list[House]) -> list[House]:
    for one in started:
        one.wait_until_ready()
    return started


def figures(database: Database, member: str) -> tuple[int, int]:
    """Used and reserved, which are what the rows add up to."""
    ((used, reserved, sizes, kept),) = database.fetch(COUNTED, member)
    assert (used, reserved) == (sizes, kept)
    assert isinstance(used, int)
    assert isinstance(reserved, int)
    return used, reserved


def at_once(houses: list[House], client) -> Counter[int]:
    """What each of CLIENTS was answered, half of them here and half there."""
    with ThreadPoolExecutor(CLIENTS) as threads:
        places = [(number, houses[number % 2].connect()) for number in range(CLIENTS)]
        told = [threads.submit(client, number, wire) for number, wire in places]
        return sum((Counter(one.result()) for one in told), Counter())


def asked(wire: Wire, path: str, secret: str, body: object) -> Answer:
    """Again while the service says that it is too busy: all wait for one row."""
    while (answer := post(wire, path, secret, body)).status == 503:
        assert answer.field("retry-after")
        time.sleep(0.1)
    return answer


def test_exactly_what_fits_is_registered(houses: list[House], database: Database) -> None:
    each, quota = 5, 200
    member, secret = key_of(database, "exact", quota)

    def client(number: int, wire: Wire) -> list[int]:
        files = [{"path": f"/{number}/{n}", "size": 1} for n in range(each)]
        return [asked(wire, REGISTER, secret, file).status for file in files]

    assert at_once(houses, client) == {201: quota, 403: CLIENTS * each - quota}
    assert figures(database, member) == (quota, 0)


def test_whatever_they_do_the_sums_hold(houses: list[House], database: Database) -> None:
    """Shared paths of changing sizes, and room that is kept, committed and released."""
    member, secret = key_of(database, "mixed", 1000)

    def client(number: int, wire: Wire) -> list[int]:
        chance, told = random.Random(number), []
        for _ in range(4):
            file = {"path": f"/{chance.randrange(40)}", "size": chance.randrange(1, 90)}
            told.append(asked(wire, chance.choice([REGISTER, UPLOADS]), secret, file))
            if told[-1].status == 201 and b'"state"' in told[-1].body:
                place = f"{UPLOADS}/{json.loads(told[-1].body)['id']}"
                more = {"size": chance.randrange(0, 120)}
                told.append(asked(wire, f"{place}/commit", secret, more))
                told.append(asked(wire, f"{place}/release", secret, {}))
        return [answer.status for answer in told]

    told = at_once(houses, client)

    assert set(told) <= {200, 201, 403, 409}, told
    assert told[201] > 20
    assert told[403] > 5
    used, reserved = figures(database, member)
    assert used + reserved <= 1000


def test_one_path_told_by_all_at_once_is_one_video(houses: list[House], database: Database) -> None:
    member, secret = key_of(database, "same", 10)

    def client(_: int, wire: Wire) -> list[int]:
        return [asked(wire, REGISTER, secret, {"path": "/one", "size": 10}).status]

    assert at_once(houses, client) == {201: 1, 200: CLIENTS - 1}
    assert figures(database, member) == (10, 0)
    assert database.fetch(HALVES, member) == [("/one", 1, 6, 1)]


def test_a_killed_django_leaves_no_half_registered_file(
    houses: list[House], database: Database
) -> None:
    """Each client asks again, with the same Idempotency-Key, until it is told."""
    each, killed = 3, houses[0]
    member, secret = key_of(database, "killed", CLIENTS * each)
    kills = threading.Semaphore(0)

    def client(number: int, wire: Wire) -> list[int]:
        place, told = houses[number % 2], []
        for n in range(each):
            file, key = {"path": f"/{number}/{n}", "size": 1}, f"Idempotency-Key: {number}-{n}"
            while (status := tried(wire, secret, file, key)) not in (200, 201):
                assert status in (0, 409, 502, 503), status
                time.sleep(0.05)  # as a client waits that was told to come again
                wire = place.connect()
            told.append(status)
            kills.release()
        return told

    killer = threading.Thread(target=kill_twice, args=(killed, kills))
    killer.start()
    told = at_once(houses, client)
    killer.join()

    assert told == {201: CLIENTS * each}
    assert figures(database, member) == (CLIENTS * each, 0)
    found = database.fetch(HALVES, member)
    assert len(found) == CLIENTS * each
    assert {tuple(row[1:]) for row in found} == {(1, 6, 1)}
    assert database.fetch(ORPHANS) == [(0,)]


def tried(wire: Wire, secret: str, file: dict[str, object], key: str) -> int:
    try:
        return post(wire, REGISTER, secret, file, key).status
    except (OSError, Cut):
        return 0


def kill_twice(house: House, kills: threading.Semaphore) -> None:
    """In the middle of the calls, by how many were answered."""
    for _ in range(2):
        for _ in range(CLIENTS):
            kills.acquire()
        house.kill_django()
        house.django = house.serve()
