"""Beat: django-celery-beat's scheduler, of which several may run. Each run is opened in the
database under the time that it was due, so one of them sends it; what was lost is sent again.
"""

import logging
from datetime import datetime
from time import monotonic
from typing import Any, Final

from django.db import Error, close_old_connections
from django.db.models import Q
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from momentry.common import runs
from momentry.common.jobs import DUE
from momentry.common.models import ScheduledJob
from momentry.common.runs import Order
from momentry.common.turns import Tally, count
from momentry.due import following, slot
from momentry.plan import describe, keep_plan, others, write_plan

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 5.0
ROUND: Final = "beat"


class DueEntry(ModelEntry):  # type: ignore[misc]  # untyped package
    def save(self) -> None:
        """Only what beat changes: staff may be saving the rest of the row."""
        said = {
            "last_run_at": self.model.last_run_at,
            "total_run_count": self.model.total_run_count,
        }
        PeriodicTask.objects.filter(pk=self.model.pk, enabled=True).update(**said)


class Scheduler(DatabaseScheduler):  # type: ignore[misc]  # untyped package
    Entry = DueEntry
    _last_timestamp: datetime | None = None
    looked_at = float("-inf")

    def setup_schedule(self) -> None:
        write_plan(self.app.conf.beat_schedule)

    def schedule_changed(self) -> bool:
        """Any other time than the last: the clock of who changed something may be behind ours."""
        try:
            close_old_connections()
            changed = self.Changes.last_change()
        except Error as error:
            logger.warning("the schedule is not read", extra={"error": type(error).__name__})
            return False
        known, self._last_timestamp = self._last_timestamp, changed
        return bool(changed != known)

    def all_as_schedule(self) -> dict[str, DueEntry]:
        if self._last_timestamp is None:  # before the reading: what changes meanwhile is read anew
            self._last_timestamp = self.Changes.last_change()
        now, wanted = timezone.now(), self.app.conf.beat_schedule
        keep_plan(wanted, now)
        found: dict[str, DueEntry] = super().all_as_schedule()
        for name in others(wanted):
            found.pop(name, None)
        describe(now)
        return found

    def _get_crontab_exclude_query(self) -> Q:
        """None is left out: their scheduler loads an entry only about its hour, so a time that
        passed while no beat looked would wait for the next night."""
        return Q()

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """A database that is away is waited for: without this beat would end, and nobody see it."""
        try:
            self.look_after()
            return float(super().tick(*args, **kwargs))
        except Error as error:
            logger.warning("beat waits", extra={"error": type(error).__name__})
            close_old_connections()
            self._initial_read, self._heap = True, None  # what was read may be half of it
            return float(self.max_interval)

    def look_after(self) -> None:
        """Runs whose worker ended, or whose message nobody took, are sent again."""
        if monotonic() - self.looked_at < LOOK_SECONDS:
            return
        began = self.looked_at = monotonic()
        for order in runs.take_stale():
            logger.warning("a run is sent again", extra={"job": order.job})
            self.send_again(order)
        count([Tally(ROUND, 1, 0, monotonic() - began)])

    def send_again(self, order: Order) -> None:
        row = PeriodicTask.objects.filter(name=order.job).first()
        if row is not None:
            self.apply_entry(marked(DueEntry(row, app=self.app), order), producer=self.producer)

    def apply_async(self, entry: DueEntry, *args: Any, **kwargs: Any) -> Any:
        """Sends nothing when another beat did. While the database is away the message goes all the
        same: whoever takes it claims the run."""
        if DUE in entry.options["headers"]:
            return super().apply_async(entry, *args, **kwargs)
        due = slot(entry.schedule, timezone.now())
        if due is None:
            return super().apply_async(entry, *args, **kwargs)
        order = Order(entry.name, entry.task, due)
        try:
            if not runs.open_run(order):
                return None
            note_next(entry)
        except Error as error:
            logger.warning("a run is not opened", extra={"error": type(error).__name__})
        return super().apply_async(marked(entry, order), *args, **kwargs)


def note_next(entry: DueEntry) -> None:
    now = timezone.now()
    due = following(entry.schedule, now, now)
    ScheduledJob.objects.filter(name=entry.name).update(next_due_at=due)


def marked(entry: DueEntry, order: Order) -> DueEntry:
    """Another whose message says what it is for; this one is sent again at its next time."""
    other = DueEntry(entry.model, app=entry.app)
    other.options["headers"][DUE] = order.due_at.isoformat() if order.due_at else ""
    return other
