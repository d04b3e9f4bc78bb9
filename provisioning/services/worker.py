"""Who acts on the tasks of a system: a few threads, so that one that hangs holds up few.

While the system is away one task at a time probes it; the others wait and lose no attempt.
"""

import logging
import threading
from collections.abc import Callable
from time import monotonic
from typing import Final, TypeVar

from django.conf import settings
from django.db import Error, connection
from django.db.models.functions import Now

from provisioning.models import ProvisioningTask, System, TaskState
from provisioning.services import outcomes, tasks
from provisioning.services.tasks import Claim
from provisioning.sftpgo.client import Blame, Sftpgo, SftpgoError
from provisioning.sftpgo.desired import Desired, desired_of
from provisioning.sftpgo.sync import bring

logger = logging.getLogger(__name__)

T = TypeVar("T")
THREADS: Final = 6
POLL_SECONDS: Final = 0.5
PROBE_SECONDS: Final = 2.0
AWAY_AFTER: Final = 3  # misses in a row: one may be that account's own
STOP_SECONDS: Final = 4.0
# After it no change is sent any more; one that is takes the time of four requests at most, and the
# lease (tasks.LEASE_SECONDS) is as long as both.
ACT_SECONDS: Final = 10.0


class Health:
    """Is the system there? All threads of a process tell it, and ask it."""

    def __init__(self) -> None:
        self.misses = 0
        self.why = ""
        self.next_probe = 0.0

    @property
    def is_away(self) -> bool:
        return self.misses >= AWAY_AFTER

    def room(self, free: int, busy: int) -> int:
        """How many tasks may be begun now."""
        if not self.is_away:
            return free
        return int(not busy and free > 0 and monotonic() >= self.next_probe)

    def answered(self) -> bool:
        """Was it away before?"""
        was_away, self.misses = self.is_away, 0
        return was_away

    def missed(self, why: str) -> None:
        self.misses, self.why = self.misses + 1, why
        self.next_probe = monotonic() + PROBE_SECONDS


class Worker:
    """One thread looks for due tasks and begins a thread for each. They are daemons: a hung system
    does not keep the process from ending, and the lease of what it left runs out."""

    def __init__(self, sftpgo: Sftpgo) -> None:
        self.sftpgo = sftpgo
        self.health = Health()
        self.stopping = threading.Event()
        self.changed = threading.Condition()
        self.busy = self.ended = 0
        self.looker = threading.Thread(target=self.look, name="provisioning", daemon=True)

    def start(self) -> None:
        self.looker.start()

    def stop(self) -> None:
        """Nothing more is begun; what is in hand has STOP_SECONDS to end."""
        self.stopping.set()
        with self.changed:
            self.changed.notify_all()
        end = monotonic() + STOP_SECONDS
        self.looker.join(STOP_SECONDS)
        with self.changed:
            self.changed.wait_for(lambda: not self.busy, max(end - monotonic(), 0))

    def look(self) -> None:
        while not self.stopping.is_set():
            ended, begun = self.ended, None
            try:
                begun = in_database(self.begin)
            except Exception as error:  # the outermost loop: it is tried again
                logger.exception("no task begun", extra={"error": type(error).__name__})
            if not begun:
                self.wait(ended)

    def wait(self, ended: int) -> None:
        """Until the next look, or until a thread is free again: there may be more to do."""
        with self.changed:
            self.changed.wait_for(
                lambda: self.ended != ended or self.stopping.is_set(), POLL_SECONDS
            )

    def begin(self) -> int:
        """How many were begun."""
        room = self.health.room(THREADS - self.busy, self.busy)
        if not room:
            if self.health.is_away:
                explain(self.health.why)
            return 0
        claims = tasks.claim(System.SFTPGO, room)
        for claim in claims:
            self.count(+1)
            try:
                threading.Thread(target=self.run, args=[claim], daemon=True).start()
            except RuntimeError:  # no thread to be had: the lease runs out
                self.count(-1)
                raise
        return len(claims)

    def count(self, change: int) -> None:
        """One more in hand, or one less."""
        with self.changed:
            self.busy += change
            self.ended += change < 0
            self.changed.notify_all()

    def run(self, claim: Claim) -> None:
        try:
            self.act(claim)
        except Exception as error:  # the outermost loop: the lease runs out, others go on
            logger.exception("task not ended", extra={"error": type(error).__name__})
        finally:
            self.count(-1)

    def act(self, claim: Claim) -> None:
        """Nothing of the database is held while the system is asked."""
        end = monotonic() + ACT_SECONDS
        wanted = in_database(lambda: read(claim))
        if wanted is None:
            return
        version, desired = wanted
        try:
            bring(self.sftpgo, desired, end)
        except SftpgoError as error:
            self.failed(claim, version, error)
        else:
            self.answered()
            in_database(lambda: outcomes.succeed(claim, version))

    def failed(self, claim: Claim, version: int, error: SftpgoError) -> None:
        why, blame = str(error), error.blame
        if blame is Blame.ATTEMPT and not self.sftpgo.is_well():
            blame = Blame.SYSTEM
        if blame is Blame.SYSTEM:
            self.health.missed(why)
            in_database(lambda: outcomes.miss(claim, why))
            return
        self.answered()
        is_final = blame is Blame.REQUEST
        in_database(lambda: outcomes.fail(claim, version, why, is_final=is_final))

    def answered(self) -> None:
        if self.health.answered():
            in_database(hurry)


def read(claim: Claim) -> tuple[int, Desired] | None:
    """The version and the state that it stands for, in one statement; None for a lost lease."""
    found = ProvisioningTask.objects.filter(pk=claim.task, lease=claim.lease)
    task = found.select_related("member__sftpgo_account").first()
    if task is None:
        return None
    return task.desired_version, desired_of(task.member, task.member.sftpgo_account)


def explain(why: str) -> int:
    """Tasks that wait for a system that is away say so, also those that did not probe it."""
    waiting = ProvisioningTask.objects.filter(state=TaskState.PENDING, last_error="", lease=None)
    return waiting.filter(system=System.SFTPGO, next_attempt_at__lte=Now()).update(last_error=why)


def hurry() -> int:
    """Who missed the system need not wait longer, now that it is back."""
    missed = ProvisioningTask.objects.filter(state=TaskState.PENDING, misses__gt=0)
    return missed.filter(system=System.SFTPGO).update(next_attempt_at=Now())


def in_database(work: Callable[[], T]) -> T | None:
    """None when the database is away: leases run out, and a later round finds the task again."""
    try:
        return work()
    except Error as error:
        logger.warning("provisioning waits for the database", extra={"error": type(error).__name__})
        return None
    finally:
        connection.close()


def make_worker() -> Worker | None:
    """None when nothing is configured."""
    return Worker(Sftpgo(settings.SFTPGO)) if settings.SFTPGO is not None else None
