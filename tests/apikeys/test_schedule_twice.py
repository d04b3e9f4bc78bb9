"""DUR-12: scheduled work happens exactly once, with two workers that each have a beat of their own
and start everything every second, one of which is killed in the middle."""

import os
import signal
import subprocess
import sys
from collections import Counter as Counts
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from celery import Celery
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

from apikeys.gate.periods import EPOCH
from apikeys.models import ApiKey, Counter, LimitOverride
from apikeys.services.issue import issue_key
from apikeys.services.makers import system
from apikeys.services.wanted import NewKey
from events.kinds import Kind
from events.services import record
from tests import make
from tests.apikeys.logs import HOUR, call, day, empty, log, table, tables
from tests.apikeys.test_schedule import ROOT, house, send  # noqa: F401  a fixture
from tests.gateway.conftest import Database
from tests.gateway.wire import within

pytestmark = pytest.mark.slow

OWN = ("apikeys.tasks.", "momentry.tasks.")
OURS = [entry for entry in settings.CELERY_BEAT_SCHEDULE.values() if entry["task"].startswith(OWN)]
ENDED, DUE = 60, 30
RUNS = 4  # two workers, each with two threads
# Readers go on; whoever is about to record what it did waits, in the middle of its work.
NO_EVENTS = "LOCK TABLE events_event IN SHARE MODE"
WAITING = """
SELECT count(*)::int FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
ENTRIES = """
SELECT count(*) FROM django_celery_beat_periodictask WHERE task ~ '^(apikeys|momentry)[.]tasks[.]'
"""
HURRIED = f"{ENTRIES} AND interval_id IS NULL"
OLD, RECENT = (97, 96, 95, 94), (3, 2)  # days ago; of yesterday, hours may not be settled
HOLDS, KEPT = 6000, 10  # settled holds to purge, more than one statement takes, and to keep
SETTLED = """
INSERT INTO apikeys_settledhold (id, key_id, tokens, cost_micro, settled_at, ends_at)
SELECT gen_random_uuid(), gen_random_uuid(), 1, NULL, now() - %s::interval, now() - %s::interval
  FROM generate_series(1, %s)
"""
READERS = 20
LETTERS = Counts(key_expiring=READERS, limit_95=READERS, staff_alert=1, staff_digest=1)
FAILED = "raised unexpected"  # Celery, of a task that is not tried again


@contextmanager
def worker(
    house: Database,  # noqa: F811
    log: Path,
    *options: str,
) -> Iterator["subprocess.Popen[bytes]"]:
    given = {**os.environ, "DATABASE_URL": house.url, "MOMENTRY_NO_VENV": "1"}
    command = [sys.executable, "manage.py", "worker", "--concurrency", "2", *options]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env=given, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield process
    finally:
        kill(process)
        with Celery(broker=settings.CELERY_BROKER_URL) as client:
            client.control.purge()  # what is left is no other test's work


def kill(process: "subprocess.Popen[bytes]") -> None:
    """With its beat, which is a process of its own."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def held(house: Database, statement: str) -> Iterator[None]:  # noqa: F811
    """The database's lock that keeps runs in the middle of their work."""
    with psycopg.connect(house.conninfo) as holder:
        holder.execute(statement)
        yield


def all_wait(house: Database) -> bool:  # noqa: F811
    return house.fetch(WAITING) == [(RUNS,)]


def ended_keys(house: Database) -> None:  # noqa: F811
    """Keys to purge."""
    long_ago = timezone.now() - settings.KEY_PURGE_AFTER - timedelta(days=1)
    with house.rows():
        owner = make.member(f"m{next(make.numbers)}")
        ended = [make.key(owner).key.pk for _ in range(ENDED)]
        ApiKey.objects.filter(pk__in=ended).update(revoked_at=long_ago)


def due_keys(house: Database) -> None:  # noqa: F811
    """Keys to rotate."""
    yesterday = timezone.now() - timedelta(1)
    with house.rows():
        wish = NewKey(name="due", service_name="n8n", role="metrics", rotate_every_days=1)
        due = [issue_key(wish, maker=system("test")).key.pk for _ in range(DUE)]
        ApiKey.objects.filter(pk__in=due).update(rotation_due_at=yesterday)


def letters_to_write(house: Database) -> None:  # noqa: F811
    """To owners of keys that end, to members whose limit fills up, and to staff."""
    now = timezone.now()
    with house.rows():
        make.staff("root")
        for _ in range(READERS):
            member = make.member(f"m{next(make.numbers)}")
            key = ApiKey.objects.filter(pk=make.key(member).key.pk)
            key.update(created_at=now - timedelta(days=9), expires_at=now + timedelta(days=6))
            LimitOverride.objects.create(member=member, name="requests_lifetime", value=1000)
            Counter.objects.create(
                subject=f"member:{member.pk.hex}", metric="requests", period="lifetime",
                period_start=EPOCH, used=960, limit=1000,
            )  # fmt: skip
        with transaction.atomic():
            error = {"system": "sftpgo", "error": "refused"}
            record(Kind.PROVISIONING_DEAD, actor="relay", subject="member:1", **error)


def letters(house: Database) -> Counts[str]:  # noqa: F811
    rows = house.fetch("SELECT template FROM events_mail WHERE template <> 'welcome'")
    return Counts(str(template) for (template,) in rows)


def calls(house: Database, days: tuple[int, ...]) -> None:  # noqa: F811
    with house.rows():
        log(*(call(day(age) + hour * HOUR) for age in days for hour in range(24)))


def holds(house: Database) -> None:  # noqa: F811
    house.execute("TRUNCATE apikeys_settledhold")
    for age, number in (("2 days", HOLDS), ("1 hour", KEPT)):
        house.execute(SETTLED, age, age, number)


def kept_holds(house: Database) -> object:  # noqa: F811
    return house.fetch("SELECT count(*)::int FROM apikeys_settledhold")[0][0]


def hurry(house: Database) -> bool:  # noqa: F811
    """Everything of ours every second, by every beat."""
    if house.fetch(HURRIED) == [(0,)]:
        return True
    with house.rows():
        every, _ = IntervalSchedule.objects.get_or_create(every=1, period="seconds")
        rows = PeriodicTask.objects.filter(task__in=[entry["task"] for entry in OURS])
        rows.update(interval=every, crontab=None, last_run_at=None)
        PeriodicTasks.update_changed()
    return True


def events(house: Database, kind: str) -> Counts[str]:  # noqa: F811
    rows = house.fetch("SELECT subject FROM events_event WHERE kind = %s", kind)
    return Counts(str(subject) for (subject,) in rows)


def days_gone(house: Database, *ages: int) -> bool:  # noqa: F811
    return not any(f"{day(age):%Y%m%d}" in name for age in ages for name in tables(house))


def summed(house: Database) -> list[object]:  # noqa: F811
    """Calls in the roll-up: by hour, by day."""
    sums = "SELECT coalesce(sum(total_requests), 0)::int FROM apikeys_{}usage"
    return [house.fetch(sums.format(each))[0][0] for each in ("hourly", "daily")]


def test_two_beats_and_a_kill_do_everything_once(house: Database, tmp_path: Path) -> None:  # noqa: F811
    empty(house)
    ended_keys(house)
    due_keys(house)
    calls(house, OLD + RECENT)
    letters_to_write(house)

    def done() -> bool:
        purged, required = events(house, "apikey:purged"), events(house, "apikey:rotation_required")
        written = letters(house).keys() == LETTERS.keys()
        return len(purged) == ENDED and len(required) == DUE and days_gone(house, *OLD) and written

    with worker(house, tmp_path / "one") as first, worker(house, tmp_path / "two"):
        with held(house, NO_EVENTS):
            assert within(60, lambda: house.fetch(ENTRIES) == [(len(OURS),)])
            # A beat that starts writes the times of the settings: again until both have begun.
            assert within(60, lambda: hurry(house) and all_wait(house))
            kill(first)
        assert within(90, done)
        assert within(60, lambda: Path(tmp_path / "two").read_text().count("Purged 0 keys") >= 3)
        said = Path(tmp_path / "two").read_text()

    assert set(events(house, "apikey:purged").values()) == {1}
    assert set(events(house, "apikey:rotation_required").values()) == {1}
    assert letters(house) == LETTERS
    for kind in ("apikey:expiring", "limit:80", "limit:95"):
        assert sorted(events(house, kind).values()) == [1] * READERS
    assert summed(house) == [24 * len(OLD + RECENT)] * 2
    assert FAILED not in said


KEYS_ALONE = (
    "purge_keys",
    "require_rotations",
    "remind_of_expiry",
    "tell_expired",
    "notify_limits",
)
OF_KEYS = {f"{OWN[0]}{name}" for name in KEYS_ALONE}
LOG_TASKS = [
    entry["task"]
    for entry in OURS
    if entry["task"].startswith(OWN[0]) and entry["task"] not in OF_KEYS
]
IN_THE_MIDDLE = """
LOCK TABLE apikeys_hourlyusage, apikeys_settledhold, apikeys_watchmark IN SHARE MODE;
LOCK TABLE apikeys_requestlog IN SHARE UPDATE EXCLUSIVE MODE
"""


def test_what_was_killed_in_the_middle_is_done_once_by_the_next_run(
    house: Database,  # noqa: F811
    tmp_path: Path,
) -> None:
    """What keys have no part in: of those the test above kills a run."""
    empty(house)
    calls(house, OLD + RECENT)
    holds(house)

    with (
        worker(house, tmp_path / "one", "--no-beat", "--concurrency", "6") as victim,
        held(house, IN_THE_MIDDLE),
    ):
        for task in LOG_TASKS:
            send(task)
        assert within(60, lambda: house.fetch(WAITING) == [(len(LOG_TASKS),)])
        kill(victim)
    with worker(house, tmp_path / "two", "--no-beat"):
        for task in LOG_TASKS:
            send(task, 2)
        said = (tmp_path / "two").read_text
        assert within(60, lambda: said().count(" succeeded in ") == 2 * len(LOG_TASKS))

    assert summed(house) == [24 * len(OLD + RECENT)] * 2
    ahead = [table(-day) for day in range(8)]
    assert tables(house) == sorted([*(table(age) for age in RECENT), *ahead])
    assert kept_holds(house) == KEPT
    assert FAILED not in said()
