"""The schedule in the database: ours is written where it is new, staff's changes stay."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Exists
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask, PeriodicTasks
from django_celery_beat.schedulers import ModelEntry

from momentry.common.models import JobRun, ScheduledJob
from momentry.due import following, slot

LOCK: Final = 0x6265617420706C61  # "beat pla" in ASCII
UNUSED: Final = "celery.backend_cleanup"  # Celery's own; there is no result backend to clean up
KINDS: Final = ("crontab", "interval", "solar", "clocked")


@transaction.atomic
def write_plan(wanted: Mapping[str, Mapping[str, Any]]) -> None:
    """Each beat does it as it starts; safe at once. An entry that is new is written. One that
    stands as we wrote it follows a new default; one that staff changed or switched off stays. What
    the settings name no longer goes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    rows = {row.name: row for row in PeriodicTask.objects.select_related(*KINDS)}
    known = ScheduledJob.objects.filter(is_ours=True).in_bulk()
    for name, entry in wanted.items():
        times, kind = ModelEntry.to_model_schedule(entry["schedule"])
        row = rows.get(name) or PeriodicTask(name=name)
        default = known[name].default if name in known else ""
        is_moved = default != in_words(times) and in_words(row.crontab or row.interval) == default
        if row.pk is None or is_moved:
            for each in KINDS:
                setattr(row, each, times if each == kind else None)
        if row.pk is None or is_moved or row.task != entry["task"]:
            row.task = entry["task"]
            row.save()
        note = {"task": row.task, "is_ours": True, "default": in_words(times)}
        ScheduledJob.objects.update_or_create(name=name, defaults=note)
    forget({*known, UNUSED} - set(wanted))


def forget(names: set[str]) -> None:
    if PeriodicTask.objects.filter(name__in=names).delete()[0]:
        PeriodicTasks.update_changed()
    ScheduledJob.objects.filter(name__in=names).delete()


def in_words(times: CrontabSchedule | IntervalSchedule | None) -> str:
    """What makes one schedule the same as another."""
    if isinstance(times, CrontabSchedule):
        fields = (times.minute, times.hour, times.day_of_month, times.month_of_year,
                  times.day_of_week, times.timezone)  # fmt: skip
        return " ".join(map(str, fields))
    return f"every {times.every} {times.period}" if times else "another kind"


def describe(now: datetime) -> None:
    """Notes what /metrics and staff are told of every entry, also of those that beat does not load
    yet because their hour is far away. What is switched off is due at no time, and owed by none."""
    jobs = ScheduledJob.objects.in_bulk()
    for row in PeriodicTask.objects.select_related(*KINDS):
        due = next_of(row, now)
        job = jobs.pop(row.name, None) or ScheduledJob(name=row.name)
        if (job.task, job.next_due_at) == (row.task, due):
            continue
        fresh: dict[str, Any] = {"task": row.task, "next_due_at": due}
        if due is None:
            fresh["owed_since"] = None
        else:
            note_missed(row, job.next_due_at, now)
        ScheduledJob.objects.update_or_create(name=row.name, defaults=fresh)
    ScheduledJob.objects.filter(name__in=jobs, is_ours=False).delete()


def note_missed(row: PeriodicTask, due: datetime | None, now: datetime) -> None:
    """A time that came while no beat looked is owed from then on; beat sends it by itself. No time
    of before somebody chose this schedule, and none that another beat has sent."""
    since = max(row.last_run_at or row.date_changed, row.date_changed)
    if due is None or not since < due <= now:
        return
    sent = JobRun.objects.filter(job=row.name, due_at__gte=slot(row.schedule, due) or due)
    unsent = ScheduledJob.objects.filter(~Exists(sent), name=row.name, owed_since=None)
    unsent.filter(next_due_at=due).update(owed_since=due)


def next_of(row: PeriodicTask, now: datetime) -> datetime | None:
    if not row.enabled:
        return None
    try:
        due = following(row.schedule, row.last_run_at or row.date_changed, now)
    except ValueError:  # beat does not load it either
        return None
    return max(due, row.start_time) if due and row.start_time else due
