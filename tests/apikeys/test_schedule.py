"""What beat starts each day: by the real worker, over the real broker, with the database away."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from celery import Celery
from celery.schedules import crontab
from django.conf import settings
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks
from pytest_django.plugin import DjangoDbBlocker

from apikeys.models import ApiKey
from apikeys.services.issue import issue_key
from apikeys.services.makers import system
from apikeys.services.wanted import NewKey
from momentry.celery import app
from tests import make
from tests.apikeys.logs import HOUR, call, day, log
from tests.gateway.conftest import Database, own_database
from tests.gateway.wire import within

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PURGE, ROTATIONS = "apikeys.tasks.purge_keys", "apikeys.tasks.require_rotations"


@pytest.fixture(scope="module")
def house(migrated: Database) -> Iterator[Database]:
    """A database of its own: the worker reads it, so nothing can be rolled back."""
    with own_database(migrated, "schedule") as made:
        yield made


@contextmanager
def worker(house: Database, *options: str) -> Iterator[list[str]]:
    """What ``manage.py worker`` says; at the end it must go by itself."""
    given = {"DATABASE_URL": house.url, "MOMENTRY_NO_VENV": "1"}
    command = [sys.executable, "manage.py", "worker", "--concurrency", "2", *options]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **given},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    lines: list[str] = []
    reader = threading.Thread(target=lines.extend, args=[process.stdout])
    reader.start()
    try:
        yield lines
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        reader.join()
        process.stdout.close()


def send(task: str, times: int = 1) -> None:
    """As beat does, on the queue of these tests' own Valkey database."""
    with Celery(broker=settings.CELERY_BROKER_URL) as client:
        for _ in range(times):
            client.send_task(task)


def ended_key(house: Database) -> UUID:
    """A key whose end lies longer back than KEY_PURGE_DAYS."""
    with house.rows():
        key = make.key(make.member(f"m{next(make.numbers)}")).key
        long_ago = timezone.now() - settings.KEY_PURGE_AFTER - timedelta(days=1)
        ApiKey.objects.filter(pk=key.pk).update(revoked_at=long_ago)
        return key.pk


def events(house: Database, kind: str, key_id: UUID) -> int:
    rows = house.fetch(
        "SELECT 1 FROM events_event WHERE kind = %s AND subject = %s AND actor = 'schedule'",
        kind,
        f"key:{key_id.hex}",
    )
    return len(rows)


def test_each_entry_is_a_task_of_ours_with_its_time() -> None:
    app.loader.import_default_modules()
    entries = {entry["task"]: entry["schedule"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}

    assert entries == {
        PURGE: crontab("0", "3"), ROTATIONS: crontab("15", "3"),
        "apikeys.tasks.roll_up_usage": crontab("15"),
        "apikeys.tasks.detect_anomalies": crontab("*/5"),
        "apikeys.tasks.roll_up_late_usage": crontab("25", "1"),
        "apikeys.tasks.purge_request_logs": crontab("0", "2"),
        "apikeys.tasks.make_log_partitions": crontab("40", "0"),
        "apikeys.tasks.purge_holds": crontab("50"),
        "apikeys.tasks.remind_of_expiry": crontab("40"),
        "apikeys.tasks.tell_expired": crontab("10"),
        "apikeys.tasks.notify_limits": crontab("45"),
        "momentry.tasks.purge_mails": crontab("20", "5"),
        "momentry.tasks.staff_alerts": crontab("*/5"),
        "momentry.tasks.staff_digest": crontab("0", "8", day_of_week="1"),
        "provisioning.tasks.purge_members": crontab("30", "3"),
        "videos.tasks.purge_videos": crontab("30", "3"),
        "provisioning.tasks.resolve_pending": crontab("5"),
        "provisioning.tasks.reconcile": crontab("0", "4"),
        "provisioning.tasks.verify_tokens": crontab("20", "3"),
        "videos.tasks.notify_storage": crontab("35"),
        "videos.tasks.expire_uploads": crontab(),
        "videos.tasks.expire_job_leases": crontab(),
        "videos.tasks.hash_files": crontab("*/3"),
        "videos.tasks.recount_storage": crontab("30", "4"),
        "events.tasks.purge_deliveries": crontab("0", "5"),
        "videos.tasks.forget_file_events": crontab("10", "5"),
        "momentry.common.tasks.forget_idempotency": crontab("20"),
        "momentry.common.tasks.forget_runs": crontab("25", "5"),
        "momentry.common.tasks.forget_sessions": crontab("20", "5"),
        "provisioning.tasks.forget_claims": crontab("25"),
        "provisioning.tasks.forget_inbox": crontab("30"),
        "events.tasks.purge_events": crontab("0", "5"),
    }  # fmt: skip
    assert set(entries) <= set(app.tasks)


def test_beat_starts_what_is_due(house: Database) -> None:
    key_id = ended_key(house)

    with worker(house):
        rows = "SELECT 1 FROM django_celery_beat_periodictask WHERE task = ANY(%s) AND enabled"
        assert within(20, lambda: len(house.fetch(rows, [PURGE, ROTATIONS])) == 2)
        assert events(house, "apikey:purged", key_id) == 0
        with house.rows():
            every, _ = IntervalSchedule.objects.get_or_create(every=1, period="seconds")
            PeriodicTask.objects.filter(task=PURGE).update(interval=every, crontab=None)
            PeriodicTasks.update_changed()

        assert within(20, lambda: events(house, "apikey:purged", key_id) == 1)


def test_a_task_is_safe_twice_and_at_once(house: Database) -> None:
    ended = ended_key(house)
    with house.rows():
        wish = NewKey(name="due", service_name="n8n", role="metrics", rotate_every_days=1)
        due = issue_key(wish, maker=system("test")).key.pk
        yesterday = timezone.now() - timedelta(days=1)
        ApiKey.objects.filter(pk=due).update(rotation_due_at=yesterday)

    with worker(house, "--no-beat"):
        for task in (PURGE, ROTATIONS):
            send(task, 4)
        assert within(20, lambda: events(house, "apikey:rotation_required", due) > 0)

    assert events(house, "apikey:purged", ended) == 1
    assert events(house, "apikey:rotation_required", due) == 1


def test_usage_is_rolled_up_and_the_log_purged_once(house: Database) -> None:
    """Four runs of each task at once: every call is in the sums once, its old log is gone."""
    with house.rows():
        log(*(call(day(age) + hour * HOUR) for age in (95, 94, 2, 1) for hour in range(24)))
    sums = "SELECT coalesce(sum(total_requests), 0)::int FROM apikeys_{}usage"
    gone = "SELECT to_regclass(%s) IS NULL"

    with worker(house, "--no-beat") as lines:
        for _ in range(4):
            for task in ("purge_request_logs", "roll_up_usage", "roll_up_late_usage"):
                send(f"apikeys.tasks.{task}")
        cleaned = "Cleaned up {} old request logs"
        assert within(30, lambda: sum(cleaned.format(0) in line for line in lines) == 3)

    assert sum(cleaned.format(48) in line for line in lines) == 1
    assert house.fetch(sums.format("hourly")) == house.fetch(sums.format("daily")) == [(96,)]
    assert house.fetch(gone, f"apikeys_requestlog_{day(95):%Y%m%d}") == [(True,)]
    assert house.fetch(gone, f"apikeys_requestlog_{day(2):%Y%m%d}") == [(False,)]


def test_a_task_waits_for_a_database_that_is_away(
    house: Database, django_db_blocker: DjangoDbBlocker
) -> None:
    key_id = ended_key(house)
    server = Database(django_db_blocker, "postgres")
    allow = f'ALTER DATABASE "{house.name}" ALLOW_CONNECTIONS'
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"

    with worker(house, "--no-beat") as lines:
        assert within(20, lambda: any("ready." in line for line in lines))
        server.execute(f"{allow} false")
        try:
            server.execute(cut, house.name)
            send(PURGE)
            assert within(20, lambda: any("Retry in" in line for line in lines))
        finally:
            server.execute(f"{allow} true")

        assert within(20, lambda: events(house, "apikey:purged", key_id) == 1)
