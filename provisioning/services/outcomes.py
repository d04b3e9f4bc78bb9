"""How a claimed task ends. Each writes only while its lease is its own, in one transaction."""

import random
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import DurationField, Value
from django.db.models.functions import Now

from accounts.models import User
from events.kinds import Kind
from provisioning.models import ProvisioningTask, TaskState
from provisioning.services import members
from provisioning.services.tasks import Claim, tell

ACTOR: Final = "relay"
MOST_ATTEMPTS: Final = 12
FIRST_DELAY: Final = timedelta(seconds=10)
LONGEST_DELAY: Final = timedelta(hours=1)
LONGEST_WAIT: Final = timedelta(seconds=20)  # for a system that is away
JITTER: Final = 0.2


def held(claim: Claim) -> ProvisioningTask | None:
    """Its row, locked after its member's: a change of the member comes in that order too."""
    row = ProvisioningTask.objects.filter(pk=claim.task, lease=claim.lease)
    member = row.values_list("member_id", flat=True).first()
    if member is None:
        return None
    User.objects.select_for_update(of=("self",)).filter(pk=member).first()
    return row.select_for_update(of=("self",)).select_related("member").first()


@transaction.atomic
def succeed(claim: Claim, version: int) -> bool:
    """The system has ``version``. A newer one is due at once. False when the lease was lost."""
    task = held(claim)
    if task is None:
        return False
    is_done = task.desired_version == version
    is_first = is_done and task.done_at is None
    changes: dict[str, Any] = {"done_version": version, "attempts": 0, "misses": 0}
    if is_done:
        changes["state"] = TaskState.DONE
    if is_first:
        changes["done_at"] = Now()
    let_go(task, **changes, last_error="", next_attempt_at=Now())
    if is_done:
        tell(Kind.PROVISIONING_DONE, task, actor=ACTOR)
        members.welcome(task.member)  # if it is due: who is restored is welcomed again
    return True


@transaction.atomic
def fail(claim: Claim, version: int, why: str, *, is_final: bool) -> bool:
    """One attempt more. The twelfth, and one that no attempt would mend, ends the task, unless
    there is a newer state to try. ``why`` is ours: no secret, no address."""
    task = held(claim)
    if task is None:
        return False
    attempts = task.attempts + 1
    is_last = is_final or attempts >= MOST_ATTEMPTS
    if is_last and task.desired_version == version:
        let_go(task, attempts=attempts, state=TaskState.DEAD, last_error=why)
        tell(Kind.PROVISIONING_DEAD, task, actor=ACTOR, error=why)
        return True
    let_go(task, attempts=attempts, last_error=why, next_attempt_at=later(attempts, LONGEST_DELAY))
    if attempts == 1:
        tell(Kind.PROVISIONING_FAILED, task, actor=ACTOR, error=why)
    return True


@transaction.atomic
def miss(claim: Claim, why: str) -> bool:
    """The system was away: that is no attempt, however often it happens."""
    task = held(claim)
    if task is None:
        return False
    misses = min(task.misses + 1, 30_000)
    let_go(task, misses=misses, last_error=why, next_attempt_at=later(misses, LONGEST_WAIT))
    if misses == 1 and task.attempts == 0:
        tell(Kind.PROVISIONING_FAILED, task, actor=ACTOR, error=why)
    return True


def later(times: int, longest: timedelta) -> Any:
    """After the ``times``-th failure: 10 s, 20 s, 40 s …, a little apart from each other."""
    delay = min(FIRST_DELAY * 2 ** min(times - 1, 20), longest)
    spread = delay * random.uniform(1 - JITTER, 1)  # noqa: S311  no secret
    return Now() + Value(spread, output_field=DurationField())


def let_go(task: ProvisioningTask, **changes: Any) -> None:
    ProvisioningTask.objects.filter(pk=task.pk).update(
        lease=None, leased_until=None, updated_at=Now(), **changes
    )
