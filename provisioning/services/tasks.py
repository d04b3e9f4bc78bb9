"""What other systems have to be told of a member: wanted in the transaction of the change, claimed
by workers, ended by one of them. Who acts reads the state of that moment, not of the change."""

from typing import Final, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts.models import Status, User
from events.kinds import Kind
from events.services import record
from provisioning.models import ProvisioningTask, SftpgoAccount, System, TaskState
from provisioning.services.homes import account_of, give_account

LEASE_SECONDS: Final = 30  # longer than provisioning.services.worker lets an act take
ACCOUNTLESS: Final = (Status.PENDING, Status.DELETED)  # who never had an account gets none
CLAIM: Final = """
WITH due AS MATERIALIZED (
    SELECT id FROM provisioning_provisioningtask
     WHERE state = 'pending' AND system = %s AND next_attempt_at <= statement_timestamp()
       AND (leased_until IS NULL OR leased_until <= statement_timestamp())
     ORDER BY next_attempt_at LIMIT %s FOR UPDATE SKIP LOCKED
)
UPDATE provisioning_provisioningtask task
   SET lease = gen_random_uuid(), leased_until = statement_timestamp() + make_interval(secs => %s)
  FROM due WHERE task.id = due.id
RETURNING task.id, task.lease
"""


class Claim(NamedTuple):
    """A task in hand. Whoever holds another lease of it later has taken it over."""

    task: UUID
    lease: UUID


def configured() -> list[System]:
    return [System.SFTPGO] if settings.SFTPGO is not None else []


def want(member: User) -> None:
    """Every configured system is to be brought to this member's state, as soon as this transaction
    ends. Needs the transaction of the change: a rolled-back change tells nobody anything."""
    if not connection.in_atomic_block:
        raise RuntimeError("tasks.want needs the transaction of the change")
    if member.is_staff:
        return
    for system in configured():
        if account_of(member) is None:
            if member.status in ACCOUNTLESS:
                continue
            give_account(member)
        raise_version(member, system)


def raise_version(member: User, system: System) -> None:
    """Due at once, with all its attempts again. Who acts at this moment has read an older state,
    and finds as it ends that this one is newer."""
    _, is_new = ProvisioningTask.objects.get_or_create(member=member, system=system)
    if not is_new:
        ProvisioningTask.objects.filter(member=member, system=system).update(
            desired_version=F("desired_version") + 1,
            state=TaskState.PENDING,
            attempts=0,
            misses=0,
            last_error="",
            next_attempt_at=Now(),
            updated_at=Now(),
        )


def want_gone(member: User) -> None:
    """As want, at the member's purge: the account is to be removed. Name and home stay taken."""
    SftpgoAccount.objects.filter(member=member, unwanted_at=None).update(unwanted_at=Now())
    want(member)


def is_done(member: User) -> bool:
    """Has every configured system the member as of the last change?"""
    done = ProvisioningTask.objects.filter(member=member, state=TaskState.DONE)
    return set(configured()) <= set(done.values_list("system", flat=True))


@transaction.atomic
def retry(task: ProvisioningTask, *, actor: str) -> bool:
    """A task that is dead, or waits after a failure, is due at once. False for others."""
    waits = Q(state=TaskState.PENDING) & (Q(attempts__gt=0) | Q(misses__gt=0))
    failed = ProvisioningTask.objects.filter(Q(state=TaskState.DEAD) | waits, pk=task.pk)
    changed = failed.update(
        state=TaskState.PENDING,
        attempts=0,
        misses=0,
        last_error="",
        next_attempt_at=Now(),
        updated_at=Now(),
    )
    if changed:
        tell(Kind.PROVISIONING_RETRIED, task, actor=actor)
    return bool(changed)


def claim(system: System, most: int) -> list[Claim]:
    """Up to ``most`` due tasks that nobody has in hand, for LEASE_SECONDS."""
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, [system, most, LEASE_SECONDS])
        return [Claim(*row) for row in cursor.fetchall()]


def tell(kind: Kind, task: ProvisioningTask, *, actor: str, **details: object) -> None:
    subject = f"member:{task.member_id.hex}"
    record(kind, actor=actor, subject=subject, system=task.system, **details)
