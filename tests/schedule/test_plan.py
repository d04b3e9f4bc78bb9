"""The schedule in the database: new work comes, and what staff changed stays, over restarts."""

from datetime import timedelta

import pytest
from celery.schedules import crontab
from django.conf import settings
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from momentry.common.models import ScheduledJob
from momentry.plan import LOCK, describe, write_plan

pytestmark = pytest.mark.django_db

NIGHTLY = {"purge-keys": {"task": "apikeys.tasks.purge_keys", "schedule": crontab("0", "3")}}
LATER = {"purge-keys": {"task": "apikeys.tasks.purge_keys", "schedule": crontab("30", "5")}}

HELD = """
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
   AND (classid::bigint << 32) + objid::bigint = %s
"""


def row() -> PeriodicTask:
    return PeriodicTask.objects.select_related("crontab", "interval").get(name="purge-keys")


def hour() -> str:
    return str(row().crontab.hour)


def test_a_start_writes_all_there_is():
    write_plan(settings.CELERY_BEAT_SCHEDULE)

    names = set(PeriodicTask.objects.values_list("name", flat=True))
    assert names == set(settings.CELERY_BEAT_SCHEDULE)
    assert set(ScheduledJob.objects.filter(is_ours=True).values_list("name", flat=True)) == names


def test_a_second_start_changes_nothing():
    write_plan(NIGHTLY)
    before = PeriodicTask.objects.values().get()

    write_plan(NIGHTLY)

    assert PeriodicTask.objects.values().get() == before


def test_the_time_that_staff_chose_stays():
    write_plan(NIGHTLY)
    every = IntervalSchedule.objects.create(every=2, period=IntervalSchedule.HOURS)
    PeriodicTask.objects.update(interval=every, crontab=None)

    write_plan(NIGHTLY)
    write_plan(LATER)

    assert (row().interval, row().crontab) == (every, None)


def test_the_time_that_staff_wrote_into_a_shared_crontab_stays():
    write_plan(NIGHTLY)
    CrontabSchedule.objects.update(hour="7")

    write_plan(NIGHTLY)
    write_plan(LATER)

    assert hour() == "7"


def test_what_staff_switched_off_stays_off():
    write_plan(NIGHTLY)
    PeriodicTask.objects.update(enabled=False)

    write_plan(LATER)

    assert not row().enabled


def test_a_new_default_is_followed_by_who_left_the_old_one():
    write_plan(NIGHTLY)

    write_plan(LATER)

    assert hour() == "5"


def test_a_task_that_moved_in_the_code_is_followed_though_staff_changed_its_time():
    write_plan(NIGHTLY)
    CrontabSchedule.objects.update(hour="7")

    write_plan({"purge-keys": {"task": "elsewhere.purge", "schedule": crontab("0", "3")}})

    assert (row().task, hour()) == ("elsewhere.purge", "7")


def test_rows_of_before_this_was_kept_stay_as_they_are():
    """Every start wrote them anew until now."""
    times = CrontabSchedule.objects.create(minute="11", hour="11")
    PeriodicTask.objects.create(name="purge-keys", task="old", crontab=times)

    write_plan(NIGHTLY)

    assert (row().task, hour()) == ("apikeys.tasks.purge_keys", "11")


def test_what_celery_brings_along_goes_and_what_staff_made_stays():
    times = CrontabSchedule.objects.create(minute="11", hour="11")
    for name in ("theirs", "celery.backend_cleanup"):
        PeriodicTask.objects.create(name=name, task="x", crontab=times)

    write_plan({})

    assert list(PeriodicTask.objects.values_list("name", flat=True)) == ["theirs"]
    assert not ScheduledJob.objects.exists()


def test_every_entry_is_described_with_its_next_time():
    write_plan(NIGHTLY)
    times = IntervalSchedule.objects.create(every=2, period=IntervalSchedule.HOURS)
    PeriodicTask.objects.create(name="theirs", task="x", interval=times)
    now = timezone.now()

    describe(now)

    due = dict(ScheduledJob.objects.values_list("name", "next_due_at"))
    assert set(due) == {"purge-keys", "theirs"}
    assert all(now <= each <= now + timedelta(days=1, seconds=5) for each in due.values())
    assert ScheduledJob.objects.get(name="theirs").is_ours is False


def test_what_is_switched_off_is_owed_by_nobody():
    write_plan(NIGHTLY)
    describe(timezone.now())
    ScheduledJob.objects.update(owed_since=timezone.now())
    PeriodicTask.objects.update(enabled=False)

    describe(timezone.now())

    job = ScheduledJob.objects.get()
    assert (job.next_due_at, job.owed_since) == (None, None)


def test_what_staff_deleted_of_theirs_is_forgotten():
    times = IntervalSchedule.objects.create(every=2, period=IntervalSchedule.HOURS)
    theirs = PeriodicTask.objects.create(name="theirs", task="x", interval=times)
    describe(timezone.now())

    theirs.delete()
    describe(timezone.now())

    assert not ScheduledJob.objects.exists()


def test_a_day_that_never_comes_harms_no_other_entry():
    write_plan(NIGHTLY)
    never = CrontabSchedule.objects.create(
        minute="0", hour="0", day_of_month="31", month_of_year="2"
    )
    PeriodicTask.objects.create(name="a", task="x", crontab=never)

    describe(timezone.now())

    due = dict(ScheduledJob.objects.values_list("name", "next_due_at"))
    assert due["a"] is None
    assert due["purge-keys"] is not None


def test_of_two_starts_one_waits_for_the_other():
    with connection.cursor() as cursor:
        write_plan(NIGHTLY)
        cursor.execute(HELD, [LOCK])
        assert cursor.fetchone() == (1,)
