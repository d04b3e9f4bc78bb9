"""How scheduled work goes, for the pages of the admin: read once per page, in words of people."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, NamedTuple

from django.db.models import F, Window
from django.db.models.functions import RowNumber
from django.utils.html import format_html, format_html_join
from django.utils.module_loading import import_string
from django.utils.safestring import SafeString

from momentry.common.jobmodels import JobRun, Outcome, ScheduledJob
from momentry.common.staff import BLUE, GREEN, ORANGE, RED

SHOWN: Final = 24  # runs of one job
LATE_AFTER: Final = timedelta(minutes=5)
# Classes of the theme's own style sheet.
SHADES: Final = {
    Outcome.WAITING: "bg-base-300", Outcome.RUNNING: "bg-primary-600", Outcome.DONE: "bg-green-500",
    Outcome.FAILED: "bg-red-500", Outcome.LOST: "bg-red-500", Outcome.MISSED: "bg-orange-400",
}  # fmt: skip
BADGES: Final = {"done": GREEN, "running": BLUE, "waiting": BLUE, "missed": ORANGE,
                 "failed": RED, "lost": RED, "late": RED}  # fmt: skip
UNITS: Final = ((86400, "d"), (3600, "h"), (60, "min"))


class Look(NamedTuple):
    """``runs``: the latest, newest first."""

    job: ScheduledJob
    runs: list[JobRun]

    def state(self, now: datetime) -> str:
        """late: it was due some minutes ago, and nobody does it."""
        newest = self.runs[0].outcome if self.runs else ""
        if newest == Outcome.RUNNING:
            return newest
        due = self.job.next_due_at
        if due is not None and now - due > LATE_AFTER:
            return "late"
        return newest or ("off" if due is None else "never yet")


def looks_of(names: Iterable[str]) -> dict[str, Look]:
    """Two statements, however many jobs there are."""
    wanted = list(names)
    place = Window(RowNumber(), partition_by=[F("job")], order_by=[F("id").desc()])
    rows = JobRun.objects.filter(job__in=wanted).annotate(place=place).filter(place__lte=SHOWN)
    runs: dict[str, list[JobRun]] = defaultdict(list)
    for run in rows.order_by("-id"):
        runs[run.job].append(run)
    return {
        job.name: Look(job, runs[job.name]) for job in ScheduledJob.objects.filter(pk__in=wanted)
    }


def strip(runs: list[JobRun]) -> SafeString:
    """One mark per run, the newest at the right; what it was stands in its title."""
    marks = [(SHADES[Outcome(run.outcome)], title_of(run)) for run in reversed(runs)]
    return format_html(
        '<div class="flex" style="gap: 2px">{}</div>',
        format_html_join(
            "",
            '<span class="{} rounded-xs" style="width: 5px; height: 1.125rem" title="{}"></span>',
            marks,
        ),
    )


def title_of(run: JobRun) -> str:
    when = f"{run.due_at:%Y-%m-%d %H:%M}" if run.due_at else f"{run.sent_at:%Y-%m-%d %H:%M} by hand"
    took = f", {seconds_in_words(run.seconds)}" if run.seconds is not None else ""
    said = f": {run.said}" if run.said else ""
    return f"{when} {run.outcome}{took}{said}"


def seconds_in_words(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else span(timedelta(seconds=seconds))


def span(length: timedelta) -> str:
    """The largest unit that is full: 3 min, 2 h, 5 d."""
    seconds = max(length.total_seconds(), 0)
    for size, unit in UNITS:
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"


def two_lines(text: Any, below: Any, *, title: Any = "") -> SafeString:
    return format_html(
        '<div title="{}">{}</div><div class="text-xs text-font-subtle-light '
        'dark:text-font-subtle-dark" style="max-width: 22rem; white-space: normal">{}</div>',
        title, text, below,
    )  # fmt: skip


@cache
def what_it_does(task: str) -> str:
    """The first line of what the task says of itself."""
    try:
        text = import_string(task).__doc__ or ""
    except ImportError:
        return "No process knows this task."
    return text.strip().partition("\n")[0]
