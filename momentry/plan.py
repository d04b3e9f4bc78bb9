"""The schedule in the database: ours is written where it is new, staff's changes stay. Beats of two
versions may go beside each other: each runs its own entries, and staff's."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Exists
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask, PeriodicTasks
from django_celery_beat.schedulers import ModelEntry

from momentry.common.models import JobRun, ScheduledJob
from momentry.due import following, slot

LOCK: Final = 0x6265617420706C61  # "beat pla" in ASCII
UNUSED: Final = "celery.backend_cleanup"  # Celery's own; there is no result backend to clean up
KINDS: Final = ("crontab", "interval", "solar", "clocked")
UNNAMED: Final = timedelta(minutes=15)  # beat reads the schedule, and names its own, each five
KEPT: Final = timedelta(days=7)  # what no beat names: another version may come again


@transaction.atomic
def write_plan(wanted: Mapping[str, Mapping[str, Any]]) -> None:
    """Each beat does it as it starts; safe at once. An entry that is new is written. One that
    stands as we wrote it follows a new default; one that staff changed or switched off stays."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    now = timezone.now()
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
        note = {"task": row.task, "is_ours": True, "default": in_words(times), "named_at": now}
        ScheduledJob.objects.update_or_create(name=name, defaults=note)
    forget([UNUSED])


def keep_plan(wanted: Mapping[str, Mapping[str, Any]], now: datetime) -> None:
    """Names these as this beat's, and writes again what was taken away."""
    if PeriodicTask.objects.filter(name__in=wanted).count() < len(wanted):
        write_plan(wanted)
    ScheduledJob.objects.filter(name__in=wanted).update(named_at=now)


def others(wanted: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Ours, of another version: its workers know the tasks."""
    rows = ScheduledJob.objects.filter(is_ours=True).exclude(name__in=wanted)
    return list(rows.values_list("name", flat=True))


def forget(names: Iterable[str]) -> None:
    names = list(names)
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
    """Notes what /metrics and staff are told of every entry. What is switched off, or named by no
    beat, is due at no time and owed by none; in the end it goes."""
    old = ScheduledJob.objects.filter(is_ours=True, named_at__lt=now - KEPT)
    forget(old.values_list("name", flat=True))
    jobs = ScheduledJob.objects.in_bulk()
    for row in PeriodicTask.objects.select_related(*KINDS):
        job = jobs.pop(row.name, None) or ScheduledJob(name=row.name)
        due = None if is_unnamed(job, now) else next_of(row, now)
        if (job.task, job.next_due_at) == (row.task, due):
            continue
        fresh: dict[str, Any] = {"task": row.task, "next_due_at": due}
        if due is None:
            fresh["owed_since"] = None
        else:
            note_missed(row, job.next_due_at, now)
        ScheduledJob.objects.update_or_create(name=row.name, defaults=fresh)
    ScheduledJob.objects.filter(name__in=jobs, is_ours=False).delete()


def is_unnamed(job: ScheduledJob, now: datetime) -> bool:
    return job.is_ours and job.named_at is not None and job.named_at < now - UNNAMED


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
