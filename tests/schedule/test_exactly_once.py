"""DUR-12 as a person sees it: two real workers, each with a beat, one of which is killed in the
middle; every run that was due is done once, and what was killed is taken up by the other."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, sleep

import pytest
from celery import Celery
from django.conf import settings
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

from momentry.common.jobs import DUE, NAME
from tests.apikeys.test_schedule_twice import NO_EVENTS, all_wait, ended_keys, events, held, worker
from tests.gateway.conftest import Database, own_database
from tests.gateway.wire import within

pytestmark = pytest.mark.slow

PATIENCE = 90.0
EVERY = 2  # seconds
PURGE = "purge-keys"
RUNS = "SELECT count(*)::int FROM common_jobrun WHERE job = 'purge-keys' AND outcome = %s"
TWICE = """
SELECT job, due_at FROM common_jobrun WHERE due_at IS NOT NULL
 GROUP BY 1, 2 HAVING count(*) > 1
"""
BEATS = "SELECT turns::int FROM common_roundcount WHERE name = 'beat'"
BEGUN = "SELECT id FROM common_jobrun WHERE tries > 0"
ENDED = "SELECT DISTINCT outcome FROM common_jobrun WHERE id = ANY(%s)"
OPEN = "SELECT 1 FROM common_jobrun WHERE ended_at IS NULL AND id = ANY(%s)"
TOLD = """
SELECT id, job, outcome, tries::int, sends::int, started_at::text, ended_at::text, said
  FROM common_jobrun ORDER BY id
"""
LAPSE = "UPDATE common_jobrun SET leased_until = now() WHERE leased_until IS NOT NULL"


@pytest.fixture
def house(migrated: Database) -> Iterator[Database]:
    with own_database(migrated, "exactly") as made:
        yield made


def number(house: Database, outcome: str) -> int:
    return int(str(house.fetch(RUNS, outcome)[0][0]))


def turns_of_beats(house: Database) -> int:
    return int(str((house.fetch(BEATS) or [(0,)])[0][0]))


def nothing_new(house: Database) -> None:
    """Until the beat knows that staff switched the entry off."""
    with house.rows():
        PeriodicTask.objects.update(enabled=False)
        PeriodicTasks.update_changed()
    found, since = 0, monotonic()
    while monotonic() < since + 3 * EVERY:
        sleep(0.2)
        if (now := len(house.fetch("SELECT 1 FROM common_jobrun"))) != found:
            found, since = now, monotonic()


def every_two_seconds(house: Database) -> None:
    """As staff would in the admin."""
    with house.rows():
        every, _ = IntervalSchedule.objects.get_or_create(every=EVERY, period="seconds")
        for row in PeriodicTask.objects.filter(name=PURGE):
            row.interval, row.crontab, row.enabled = every, None, True
            row.save()
        PeriodicTask.objects.exclude(name=PURGE).update(enabled=False)
        PeriodicTasks.update_changed()


def test_two_beats_and_a_killed_worker(house: Database, tmp_path: Path) -> None:
    logs = [tmp_path / name for name in ("one", "two")]
    with ExitStack() as stack:
        first, _ = [stack.enter_context(worker(house, log)) for log in logs]
        assert within(PATIENCE, lambda: turns_of_beats(house) >= 2)
        ended_keys(house)
        with held(house, NO_EVENTS):
            every_two_seconds(house)
            # Each run that begins waits; all threads of both workers are in the middle of one.
            assert within(PATIENCE, lambda: all_wait(house))
            begun = [row_id for (row_id,) in house.fetch(BEGUN)]
            os.killpg(first.pid, signal.SIGKILL)
            first.wait()
            nothing_new(house)  # a newer run of the job would stand for those that were killed
        house.execute(LAPSE)  # as a minute would; the living one says anew that it is at work

        assert within(PATIENCE, lambda: not house.fetch(OPEN, begun))
        every_two_seconds(house)
        assert within(PATIENCE, lambda: number(house, "done") >= 6)
        tries = house.fetch("SELECT max(tries)::int FROM common_jobrun")
        for row in house.fetch(TOLD):  # shown where something below does not hold
            print(*row)

    assert set(events(house, "apikey:purged").values()) == {1}
    assert house.fetch(ENDED, begun) == [("done",)]
    assert tries in ([(2,)], [(3,)])
    assert house.fetch(TWICE) == []
    assert (number(house, "failed"), number(house, "lost")) == (0, 0)


def test_a_message_that_is_delivered_again_runs_nothing_again(
    house: Database, tmp_path: Path
) -> None:
    """As Valkey does where a worker was slow to say that it has it."""
    headers = {NAME: PURGE, DUE: timezone.now().isoformat()}
    with worker(house, tmp_path / "log", "--no-beat"):
        with Celery(broker=settings.CELERY_BROKER_URL) as client:
            for _ in range(20):
                client.send_task("apikeys.tasks.purge_keys", task_id="the-same", headers=headers)

        said = (tmp_path / "log").read_text
        assert within(PATIENCE, lambda: said().count(" succeeded in ") == 20), said()

    assert said().count("Purged 0 keys.") == 1
    assert said().count("run already") == 19
    assert house.fetch("SELECT tries::int, outcome FROM common_jobrun") == [(1, "done")]


def test_what_staff_changed_stays_over_restarts(house: Database, tmp_path: Path) -> None:
    chosen = """
    SELECT t.enabled, i.every FROM django_celery_beat_periodictask t
      LEFT JOIN django_celery_beat_intervalschedule i ON i.id = t.interval_id
     WHERE t.name = 'purge-keys'
    """
    count = "SELECT count(*)::int FROM django_celery_beat_periodictask"
    with worker(house, tmp_path / "one"):
        assert within(PATIENCE, lambda: turns_of_beats(house) > 0)
        every_two_seconds(house)
        house.execute("DELETE FROM django_celery_beat_periodictask WHERE name = 'inbox'")
        seen = turns_of_beats(house)

    with worker(house, tmp_path / "two"):
        assert within(PATIENCE, lambda: turns_of_beats(house) > seen)
        assert within(PATIENCE, lambda: number(house, "done") >= 1)

    assert house.fetch(chosen) == [(True, 2)]
    assert house.fetch(f"{count} WHERE enabled") == [(2,)]  # and the new one, which came again
    assert house.fetch(count) == [(len(settings.CELERY_BEAT_SCHEDULE),)]
