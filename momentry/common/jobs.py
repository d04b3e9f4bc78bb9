"""What scheduled tasks share: each run is claimed, so that it happens once, and is kept with its
outcome. A task answers what it did as one sentence, which is logged and shown to staff.

Called as functions, or sent without the header of the schedule, they just run.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from celery import Task
from celery.exceptions import Retry
from celery.utils.time import get_exponential_backoff_interval
from django.db import Error, InterfaceError, OperationalError, connection

from momentry.common import runs
from momentry.common.jobmodels import Outcome
from momentry.common.runs import Message, Order, Run

logger = logging.getLogger(__name__)

NAME: Final = "periodic_task_name"  # django-celery-beat's header
DUE: Final = "momentry_due"
AWAY: Final = (OperationalError, InterfaceError)


class Keeper:
    """One thread for all runs of this process: it renews their leases while they are at work."""

    def __init__(self) -> None:
        self.runs: set[Run] = set()
        self.changed = threading.Condition()
        self.thread: threading.Thread | None = None

    @contextmanager
    def keeping(self, run: Run) -> Iterator[None]:
        with self.changed:
            self.runs.add(run)
            if self.thread is None:
                self.thread = threading.Thread(target=self.go, name="leases", daemon=True)
                self.thread.start()
            self.changed.notify()
        try:
            yield
        finally:
            with self.changed:
                self.runs.discard(run)

    def go(self) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: bool(self.runs))
                self.changed.wait(runs.RENEW_SECONDS)
                kept = list(self.runs)
            if not kept:
                continue
            try:
                runs.renew(kept)
            except Error as error:
                logger.warning("leases not renewed", extra={"error": type(error).__name__})
            finally:
                connection.close()


keeper: Final = Keeper()


class Job(Task[..., Any]):
    """Scheduled work. What fails waits for its next time."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        order = order_of(self)
        if order is None:
            self.tell(super().__call__(*args, **kwargs))
            return
        run = self.claim(order)
        if run is None:
            logger.info("run already", extra={"job": order.job, "due": str(order.due_at)})
            return
        with keeper.keeping(run):
            try:
                said = super().__call__(*args, **kwargs)
            except Retry:
                attempt(runs.put_off, run)
                raise
            except Exception as error:
                attempt(runs.end, run, Outcome.FAILED, type(error).__name__)
                raise
            self.tell(said)
            attempt(runs.end, run, Outcome.DONE, said or "")

    def tell(self, said: str | None) -> None:
        if said:
            logging.getLogger(self.__module__).info("%s", said)

    def claim(self, order: Order) -> Run | None:
        """A database that is away is waited for."""
        request = self.request
        message = Message(request.id or "", request.retries, request.hostname or "")
        try:
            return runs.claim(order, message)
        except AWAY as error:
            seconds = get_exponential_backoff_interval(2, request.retries, 600, full_jitter=True)
            raise self.retry(exc=error, countdown=seconds, max_retries=14) from None


class Daily(Job):
    """A database that is away comes back: tried again for up to an hour, then the next time."""

    autoretry_for = AWAY
    retry_backoff = 2
    retry_backoff_max = 600
    max_retries = 14


def order_of(task: Task[..., Any]) -> Order | None:
    """None for a call, and for a message that is not of the schedule."""
    request = task.request
    headers = request.headers or {}
    job = headers.get(NAME)
    if request.called_directly or not job or not task.name:
        return None
    due = headers.get(DUE)
    return Order(job, task.name, datetime.fromisoformat(due) if due else None)


def attempt(deed: Any, *args: Any) -> None:
    """What the work did is done. Unless its end is noted it is sent again, which does no harm."""
    try:
        deed(*args)
    except Error as error:
        logger.warning("the end of a run is not noted", extra={"error": type(error).__name__})
