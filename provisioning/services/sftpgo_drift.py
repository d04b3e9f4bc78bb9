"""SFTPGo's half of reconcile: every account there against every member here."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from django.conf import settings
from django.db import transaction

from accounts.models import LIVE, User
from events.kinds import Kind
from events.services import record
from provisioning.models import ProvisioningTask, SftpgoAccount, System, TaskState
from provisioning.services import adoption, tasks
from provisioning.services.reconcile import (
    Finding,
    Order,
    ReconcileError,
    Reconciler,
    batches,
)
from provisioning.sftpgo.client import Sftpgo, SftpgoError
from provisioning.sftpgo.desired import DISABLED, desired_of, differences, may_take

AT_ONCE: Final = 500
MISSING: Final = "missing"
UNKNOWN: Final = "unknown"
WORDS: Final = {"quota_size": "quota differs", "email": "e-mail differs",
                "additional_info": "owner differs"}  # fmt: skip


def run(order: Order) -> Iterator[Finding]:
    """What a task that is not done yet will mend is no drift."""
    if settings.SFTPGO is None:
        raise ReconcileError("SFTPGO_URL is not set.")
    seen: set[str] = set()
    adopted: set[str] = set()
    strangers: list[dict[str, Any]] = []
    try:
        for page in batches(Sftpgo(settings.SFTPGO).accounts(), AT_ONCE):
            seen.update(str(found["username"]) for found in page)
            yield from compared(page, strangers, order)
    except SftpgoError as error:
        raise ReconcileError(str(error)) from None
    if order.adopts:
        for finding in adoption.adopt(strangers, order):
            if finding.mended:
                adopted.add(finding.about.lower())
            yield finding
    else:
        yield from (Finding(UNKNOWN, str(found["username"])) for found in strangers)
    yield from missing(seen, adopted, order)


def compared(
    page: Iterable[dict[str, Any]], strangers: list[dict[str, Any]], order: Order
) -> Iterator[Finding]:
    """``strangers`` gets those that belong to nobody here."""
    by_name = {str(found["username"]): found for found in page}
    rows = SftpgoAccount.objects.select_related("member").filter(username__in=by_name)
    ours = {row.username: row for row in rows if row.member is not None}
    waiting = members_waiting(row.member_id for row in ours.values())
    for name, found in by_name.items():
        account = ours.get(name)
        member = account.member if account is not None else None
        if account is None or member is None or not may_take(found, desired_of(member, account)):
            strangers.append(found)
        elif member.pk not in waiting:
            yield from drift(found, account, member, order)


def members_waiting(members: Iterable[Any]) -> set[Any]:
    rows = ProvisioningTask.objects.filter(system=System.SFTPGO, state=TaskState.PENDING)
    return set(rows.filter(member__in=list(members)).values_list("member_id", flat=True))


def drift(
    found: dict[str, Any], account: SftpgoAccount, member: User, order: Order
) -> Iterator[Finding]:
    """One account of ours. Bytes that are used there are only told: nobody can set them right."""
    desired = desired_of(member, account)
    wrong = (
        ["not removed"] if desired.is_gone else words(differences(found, desired), desired.status)
    )
    if wrong:
        mend(member, wrong, order)
        yield Finding(wrong[0], account.username, ", ".join(wrong[1:]), mended=True)
    used = int(found.get("used_quota_size") or 0)
    if used != member.quota_used and not desired.is_gone:
        yield Finding("usage differs", account.username, f"{used} there, {member.quota_used} here")


def words(fields: list[str], status: int) -> list[str]:
    by_status = "enabled" if status == DISABLED else "disabled"
    return [by_status if field == "status" else WORDS[field] for field in fields]


def missing(seen: set[str], adopted: set[str], order: Order) -> Iterator[Finding]:
    """Members that should have an account and have none there."""
    members = User.objects.filter(is_staff=False, status__in=LIVE).select_related("sftpgo_account")
    for page in batches(members.order_by("pk").iterator(AT_ONCE), AT_ONCE):
        waiting = members_waiting(member.pk for member in page)
        for member in page:
            account = getattr(member, "sftpgo_account", None)
            is_there = account is not None and account.username in seen
            if is_there or member.pk in waiting or member.username.lower() in adopted:
                continue
            mend(member, [MISSING], order)
            yield Finding(MISSING, member.username, mended=True)


def mend(member: User, found: list[str], order: Order) -> None:
    """The relay does it, as if the member had changed."""
    if order.is_dry:
        return
    with transaction.atomic():
        tasks.want(User.objects.select_for_update(of=("self",)).get(pk=member.pk))
        record(
            Kind.PROVISIONING_DRIFTED,
            actor=order.actor,
            subject=f"member:{member.pk.hex}",
            system=System.SFTPGO,
            found=found,
        )


SFTPGO: Final = Reconciler(
    "sftpgo", "Accounts in SFTPGo.", lambda: settings.SFTPGO is not None, run
)
