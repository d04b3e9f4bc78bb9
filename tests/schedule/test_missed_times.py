"""A night without beat: what was due is owed at once, and sent as soon as one is back."""

from datetime import UTC, datetime, timedelta

import pytest
from celery.beat import Scheduler as CelerysScheduler
from django.conf import settings
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from momentry.beat import Scheduler
from momentry.celery import app
from momentry.common.jobmodels import JobRun, ScheduledJob
from momentry.common.jobs import DUE
from momentry.plan import describe, write_plan

pytestmark = pytest.mark.django_db

JOB = "purge-logs"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def due() -> datetime:
    """When it was due: about six hours ago, while no beat looked. It ran the day before."""
    write_plan(settings.CELERY_BEAT_SCHEDULE)
    at = timezone.now().astimezone(UTC).replace(minute=0, second=0, microsecond=0) - 6 * HOUR
    times = CrontabSchedule.objects.create(minute="0", hour=str(at.hour), timezone="UTC")
    changes = {"crontab": times, "last_run_at": at - DAY, "date_changed": at - 9 * DAY}
    PeriodicTask.objects.filter(name=JOB).update(**changes)
    ScheduledJob.objects.filter(name=JOB).update(next_due_at=at)
    return at


def job() -> ScheduledJob:
    return ScheduledJob.objects.get(name=JOB)


def beat() -> Scheduler:
    return Scheduler(app=app, lazy=True)


@pytest.fixture
def sent(monkeypatch) -> list[tuple[str, str]]:
    """What went to the workers: the entry, and the time that it is for."""
    found = []

    def keep(_, entry, *args, **kwargs):
        found.append((entry.name, entry.options["headers"].get(DUE)))

    monkeypatch.setattr(CelerysScheduler, "apply_async", keep)
    return found


def test_what_was_due_is_sent_as_soon_as_a_beat_is_back(due, sent):
    found = beat()
    entry = found.all_as_schedule()[JOB]

    assert entry.is_due().is_due
    found.apply_async(entry)

    assert sent == [(JOB, due.isoformat())]
    assert JobRun.objects.get(job=JOB).due_at == due


@pytest.mark.parametrize("hour", range(0, 24, 5))
def test_an_entry_is_loaded_at_every_hour(hour, monkeypatch):
    """django-celery-beat leaves out those whose hour is far away, also of a time that passed."""
    write_plan(settings.CELERY_BEAT_SCHEDULE)
    now = datetime.now(UTC).replace(hour=hour)
    monkeypatch.setattr("django_celery_beat.schedulers.aware_now", lambda: now)

    assert set(beat().all_as_schedule()) == set(settings.CELERY_BEAT_SCHEDULE)


def test_what_nobody_sent_is_owed_since_then(due):
    for days in (0, 3):
        ScheduledJob.objects.update(named_at=timezone.now() + days * DAY)
        describe(timezone.now() + days * DAY)
        assert job().owed_since == due

    assert job().next_due_at > timezone.now() + 2 * DAY


def test_what_another_beat_has_sent_is_not_owed_anew(due):
    JobRun.objects.create(job=JOB, task="x", due_at=due, outcome="done", ended_at=timezone.now())

    describe(timezone.now())

    assert job().owed_since is None


def test_the_run_of_the_night_before_is_none_of_this_one(due):
    JobRun.objects.create(job=JOB, task="x", due_at=due - DAY, outcome="done")

    describe(timezone.now())

    assert job().owed_since == due


@pytest.mark.parametrize("name", ["last_run_at", "date_changed"])
def test_a_time_that_came_before_it_was_chosen_or_after_it_ran_is_not_owed(due, name):
    PeriodicTask.objects.filter(name=JOB).update(**{name: due + HOUR})

    describe(timezone.now())

    assert job().owed_since is None
    assert job().next_due_at > timezone.now()


def test_what_is_owed_longer_stays_so(due):
    ScheduledJob.objects.filter(name=JOB).update(owed_since=due - 2 * DAY)

    describe(timezone.now())

    assert job().owed_since == due - 2 * DAY
