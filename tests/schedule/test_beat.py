"""What a beat sends, and writes down of it: once of several beats, and also while the database is
away; what staff do meanwhile is not undone."""

from datetime import UTC, datetime, timedelta

import pytest
from celery.beat import Scheduler as CelerysScheduler
from django.db import OperationalError
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from momentry import beat as beats
from momentry.beat import Scheduler
from momentry.celery import app
from momentry.common.jobmodels import JobRun, ScheduledJob
from momentry.common.jobs import DUE
from momentry.common.models import RoundCount
from momentry.due import slot
from momentry.plan import write_plan

pytestmark = pytest.mark.django_db

JOB = "purge-logs"


@pytest.fixture
def sent(monkeypatch) -> list[tuple[str, str | None]]:
    found = []

    def keep(_, entry, *args, **kwargs):
        found.append((entry.name, entry.options["headers"].get(DUE)))

    monkeypatch.setattr(CelerysScheduler, "apply_async", keep)
    return found


@pytest.fixture
def pair() -> list[Scheduler]:
    """Two beats, that read the schedule at the same time."""
    write_plan(app.conf.beat_schedule)
    made = [Scheduler(app=app, lazy=True) for _ in range(2)]
    for each in made:
        each.entries = each.all_as_schedule()
    return made


def due_of(each: Scheduler) -> str:
    found = slot(each.entries[JOB].schedule, timezone.now())
    assert found is not None
    return found.isoformat()


def test_of_two_beats_one_sends_a_run_and_notes_the_next(pair, sent):
    ScheduledJob.objects.update(next_due_at=None)

    for each in pair:
        each.apply_async(each.entries[JOB])

    assert sent == [(JOB, due_of(pair[0]))]
    job = ScheduledJob.objects.get(name=JOB)
    assert timezone.now() < job.next_due_at <= timezone.now() + timedelta(days=1, seconds=5)
    assert job.owed_since == datetime.fromisoformat(due_of(pair[0]))


def test_while_the_database_is_away_the_message_goes_all_the_same(pair, sent, monkeypatch):
    def away(*_):
        raise OperationalError("away")

    monkeypatch.setattr(beats.runs, "open_run", away)

    pair[0].apply_async(pair[0].entries[JOB])

    assert sent == [(JOB, due_of(pair[0]))]


def test_what_is_sent_again_is_the_same_run(pair, sent):
    pair[0].apply_async(pair[0].entries[JOB])
    JobRun.objects.update(sent_at=timezone.now() - timedelta(hours=1))

    pair[1].look_after()

    assert sent == [(JOB, due_of(pair[0]))] * 2
    assert RoundCount.objects.get().name == beats.ROUND


def test_a_run_whose_entry_staff_deleted_is_not_sent_again(pair, sent):
    pair[0].apply_async(pair[0].entries[JOB])
    JobRun.objects.update(sent_at=timezone.now() - timedelta(hours=1))
    PeriodicTask.objects.filter(name=JOB).delete()

    pair[1].look_after()

    assert len(sent) == 1


@pytest.mark.parametrize("is_enabled", [True, False])
def test_what_staff_save_meanwhile_is_not_undone(pair, is_enabled):
    """Switched off, it has run at no time; a switch-on counts from then."""
    times = CrontabSchedule.objects.create(minute="11", hour="11")
    changes = {"enabled": is_enabled, "crontab": times, "last_run_at": None}
    PeriodicTask.objects.filter(name=JOB).update(**changes)
    entry = pair[0].entries[JOB]
    entry.model.last_run_at = datetime(2026, 11, 23, 2, tzinfo=UTC)

    entry.save()

    row = PeriodicTask.objects.get(name=JOB)
    assert (row.enabled, row.crontab) == (is_enabled, times)
    assert (row.last_run_at is not None) is is_enabled


def test_a_beat_outlives_its_database_and_reads_anew(pair, monkeypatch):
    def away(*_):
        raise OperationalError("away")

    monkeypatch.setattr(beats, "close_old_connections", lambda: None)
    monkeypatch.setattr(Scheduler, "look_after", away)

    assert pair[0].tick() == pair[0].max_interval
    assert pair[0]._initial_read
