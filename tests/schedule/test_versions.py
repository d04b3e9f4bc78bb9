"""Beats of two versions beside each other, as while one is replaced: neither runs the other's
entries or undoes what staff chose for them; what no version names any more goes a week later."""

from datetime import timedelta

import pytest
from celery.schedules import crontab
from django.conf import settings
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask, PeriodicTasks

from momentry.beat import Scheduler
from momentry.celery import app
from momentry.common.models import ScheduledJob
from momentry.plan import KEPT, UNNAMED, write_plan

pytestmark = pytest.mark.django_db

NEW = settings.CELERY_BEAT_SCHEDULE
ADDED = "purge-members"
OLD = {name: entry for name, entry in NEW.items() if name != ADDED}
MINUTE = timedelta(minutes=1)


@pytest.fixture
def beat():
    """Of a version with these entries, which is just starting, and reads the schedule."""

    def start(entries) -> Scheduler:
        app.conf.beat_schedule = entries
        made = Scheduler(app=app, lazy=True)
        made.setup_schedule()
        made.entries = made.all_as_schedule()
        return made

    yield start
    app.conf.beat_schedule = NEW


def unnamed_for(length: timedelta) -> None:
    ScheduledJob.objects.filter(name=ADDED).update(named_at=timezone.now() - length)


def names() -> set[str]:
    return set(PeriodicTask.objects.values_list("name", flat=True))


def added() -> ScheduledJob:
    return ScheduledJob.objects.get(name=ADDED)


def test_an_older_beat_leaves_the_newer_ones_entries_as_staff_set_them(beat):
    beat(NEW)
    PeriodicTask.objects.filter(name=ADDED).update(enabled=False)

    beat(OLD)

    assert names() == set(NEW)
    assert not PeriodicTask.objects.get(name=ADDED).enabled


def test_a_beat_runs_its_own_entries_and_staffs(beat):
    beat(NEW)
    times = CrontabSchedule.objects.create(minute="11", hour="11")
    PeriodicTask.objects.create(name="theirs", task="x", crontab=times)

    assert set(beat(OLD).entries) == {*OLD, "theirs"}
    assert set(beat(NEW).entries) == {*NEW, "theirs"}


@pytest.mark.parametrize(("length", "is_due"), [(UNNAMED - MINUTE, True), (UNNAMED, False)])
def test_what_no_beat_names_is_late_for_nobody(beat, length, is_due):
    beat(NEW)
    ScheduledJob.objects.update(owed_since=timezone.now())
    unnamed_for(length)

    beat(OLD)

    assert (added().next_due_at is not None, added().owed_since is not None) == (is_due, is_due)


def test_who_comes_back_names_its_entries_again(beat):
    beat(NEW)
    unnamed_for(KEPT - MINUTE)
    beat(OLD)

    beat(NEW)

    assert timezone.now() - added().named_at < MINUTE
    assert added().next_due_at is not None


@pytest.mark.parametrize(("length", "stays"), [(KEPT - MINUTE, True), (KEPT, False)])
def test_what_no_beat_named_for_a_week_goes(beat, length, stays):
    beat(NEW)
    unnamed_for(length)

    beat(OLD)

    assert names() == (set(NEW) if stays else set(OLD))
    assert ScheduledJob.objects.filter(name=ADDED).exists() is stays


def test_what_a_running_beat_reads_again_it_names_again(beat):
    """Each five minutes, and when something changed."""
    running = beat(NEW)
    unnamed_for(KEPT - MINUTE)

    running.all_as_schedule()

    assert timezone.now() - added().named_at < MINUTE


def test_a_running_beat_writes_its_entries_again(beat):
    """Versions before this one took away at their start what they did not know."""
    running = beat(NEW)
    PeriodicTask.objects.filter(name=ADDED).delete()
    PeriodicTasks.update_changed()

    assert ADDED in running.all_as_schedule()
    assert names() == set(NEW)


def test_an_entry_that_comes_again_keeps_the_time_that_staff_chose():
    entry = {ADDED: {"task": "x", "schedule": crontab("0", "3")}}
    write_plan(entry)
    CrontabSchedule.objects.update(hour="7")

    write_plan({})
    write_plan(entry)

    assert str(PeriodicTask.objects.get(name=ADDED).crontab.hour) == "7"
