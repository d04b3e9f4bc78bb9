"""Sealers that meet, are cut off, or hang; transactions that are committed late or not at all."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from django.db import Error, connection, transaction
from django.utils import timezone

from events.chain import rows
from events.chain.retention import purge_events
from events.chain.sealer import IDLE, Sealer
from events.chain.state import BrokenError
from events.models import Event
from tests.events.chained import note, note_at, places, some, verify
from tests.gateway.conftest import Database, own_database
from tests.gateway.wire import within

PATIENCE = 30.0


@pytest.fixture(scope="module")
def house(migrated: Database) -> Iterator[Database]:
    """A database of its own: several connections look at it."""
    with own_database(migrated, "chain") as made:
        yield made


@pytest.fixture
def chain(house: Database) -> Iterator[Database]:
    """Empty, and Django leads there."""
    house.execute("TRUNCATE events_event, events_chain, events_auditkey")
    with house.rows():
        yield house


def aside(work: Callable[[], object]) -> "threading.Thread":
    """In a thread with a connection of its own."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_one_that_is_committed_late_comes_behind_those_that_were_sealed(chain):
    recorded, go_on = threading.Event(), threading.Event()

    def slowly() -> None:
        with transaction.atomic():
            note(99)
            recorded.set()
            assert go_on.wait(PATIENCE)

    late = aside(slowly)
    assert recorded.wait(PATIENCE)
    some(3)
    assert Sealer().seal() == 3
    go_on.set()
    late.join()

    assert Event.objects.order_by("id").first().subject == "mail:99"  # it is the oldest
    assert Sealer().seal() == 1
    assert places() == [(1, "mail:0"), (2, "mail:1"), (3, "mail:2"), (4, "mail:99")]
    assert verify()[0] == 0


def test_what_is_rolled_back_leaves_no_hole(chain):
    for number in range(6):
        with transaction.atomic():
            note(number)
            transaction.set_rollback(bool(number % 2))

    assert Sealer().seal() == 3
    assert places() == [(1, "mail:0"), (2, "mail:2"), (3, "mail:4")]
    assert verify()[0] == 0


def test_while_one_seals_another_does_nothing(chain, monkeypatch):
    some(3)
    inside, go_on, write = threading.Event(), threading.Event(), rows.write

    def held(links: list[rows.Chained]) -> int:
        inside.set()
        assert go_on.wait(PATIENCE)
        return int(write(links))

    with monkeypatch.context() as patched:
        patched.setattr(rows, "write", held)
        first = aside(Sealer().seal)
        assert inside.wait(PATIENCE)
        assert Sealer().seal() == 0
        go_on.set()
        first.join()

    assert [place for place, _ in places()] == [1, 2, 3]
    assert verify()[0] == 0


def test_sealers_and_writers_at_once_leave_one_whole_chain(chain, monkeypatch):
    monkeypatch.setattr("events.chain.sealer.BATCH", 20)
    over = threading.Event()

    def seal() -> int:
        total, mine = 0, Sealer()
        while not over.is_set():
            total += mine.seal()
        connection.close()
        return total

    def write() -> None:
        some(150)
        connection.close()

    with ThreadPoolExecutor(7) as pool:
        sealers = [pool.submit(seal) for _ in range(4)]
        writers = [pool.submit(write) for _ in range(3)]
        for writer in writers:
            writer.result(PATIENCE)
        over.set()
        total = sum(sealer.result(PATIENCE) for sealer in sealers)

    total += Sealer().seal()
    assert total == 450
    assert [place for place, _ in places()] == list(range(1, 451))
    assert not Event.objects.filter(kind="chain:broken").exists()
    assert verify()[0] == 0


def test_without_the_lock_a_second_sealer_still_makes_no_second_chain(chain, monkeypatch):
    """The end is written only behind the end that was read, and a place is given once."""
    some(2)
    inside, go_on, write = threading.Event(), threading.Event(), rows.write
    failures: list[Exception] = []

    def held(links: list[rows.Chained]) -> int:
        if not inside.is_set():
            inside.set()
            assert go_on.wait(PATIENCE)
        return int(write(links))

    def seal() -> None:
        try:
            Sealer().seal()
        except (BrokenError, Error) as error:
            failures.append(error)

    Sealer().seal()
    some(2)
    monkeypatch.setattr("events.chain.state.try_lock", lambda: True)
    monkeypatch.setattr(rows, "write", held)
    first = aside(seal)
    assert inside.wait(PATIENCE)
    seal()
    go_on.set()
    first.join()

    assert len(failures) == 1
    assert [place for place, _ in places()][:4] == [1, 2, 3, 4]
    assert verify()[0] == 0


def test_a_sealer_whose_connection_ends_in_the_middle_leaves_all_as_it_was(chain, monkeypatch):
    some(3)
    write = rows.write

    def cut(links: list[rows.Chained]) -> int:
        write(links)
        ((pid,),) = rows.fetch("SELECT pg_backend_pid()")
        chain.execute("SELECT pg_terminate_backend(%s)", pid)
        return len(links)

    with monkeypatch.context() as patched:
        patched.setattr(rows, "write", cut)
        with pytest.raises(Error):
            Sealer().seal()
    connection.close()

    assert {place for place, _ in places()} == {None}
    assert Sealer().seal() == 3
    assert verify()[0] == 0


def test_a_sealer_that_hangs_in_the_middle_is_ended_by_the_server(chain, monkeypatch):
    some(3)
    monkeypatch.setattr("events.chain.sealer.IDLE", IDLE.replace("30s", "200ms"))
    inside, go_on, write = threading.Event(), threading.Event(), rows.write
    failures: list[Exception] = []

    def held(links: list[rows.Chained]) -> int:
        inside.set()
        assert go_on.wait(PATIENCE)
        return int(write(links))

    def seal() -> None:
        try:
            Sealer().seal()
        except Error as error:
            failures.append(error)

    with monkeypatch.context() as patched:
        patched.setattr(rows, "write", held)
        hanging = aside(seal)
        assert inside.wait(PATIENCE)
    assert within(PATIENCE, lambda: Sealer().seal() == 3)
    go_on.set()
    hanging.join()

    assert len(failures) == 1
    assert verify()[0] == 0


def test_purges_that_meet_let_each_event_go_once(chain):
    now = timezone.now()
    for number in range(40):
        note_at(number, now - timedelta(days=500))
    Sealer().seal()
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(purging, now) for _ in range(4)]
        gone = [run.result(PATIENCE) for run in runs]

    assert sum(gone) == 40
    assert Event.objects.filter(kind="chain:checkpoint").count() == 1
    assert verify()[0] == 0


def purging(now: datetime) -> int:
    try:
        return purge_events(now, 400, actor="test")
    finally:
        connection.close()
