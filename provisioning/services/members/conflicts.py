"""Pending members: renamed or merged by staff, and let live as soon as their name is free."""

from typing import Final

from django.db import transaction
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Lower

from accounts import services as accounts
from accounts.models import Status, User
from apikeys.services import keys
from provisioning.services import tasks
from provisioning.services.members.purge import forget_addresses
from provisioning.services.members.welcome import tell_both, welcome_if_ready

MOST: Final = 500


@transaction.atomic
def rename_member(member: User, names: dict[str, str], *, actor: str) -> bool:
    """Another ``username`` or ``email``. WordPress keeps its own and takes these back only by
    changing it. MomentryError conflict when somebody has it too."""
    accounts.hold(member)
    was_pending = member.status == Status.PENDING
    before = accounts.rename(member, names, actor=actor)
    tasks.want(member)
    if not was_pending:  # its address may have been somebody else's
        tell_both(member, before)
    names_are_free(before.get("username", ""), before.get("email", ""), actor=actor)
    welcome_if_ready(member)
    return bool(before)


@transaction.atomic
def merge_member(member: User, into: User, *, actor: str) -> None:
    """The pending member is the same person as the live one that has its name or address: the
    WordPress user becomes the live member's, what is left of the pending one is erased."""
    accounts.hand_over(member, into, actor=actor)
    held, reason = member.suspended_by, member.suspension_reason
    accounts.mark_deleted(member, actor=actor)
    keys.revoke_keys_of(member, actor=actor)
    accounts.erase(member, actor=actor, reason=f"merged into {into.pk.hex}")
    forget_addresses(member)
    if held.startswith("site:"):
        accounts.suspend_for_site(into, reason=reason, actor=held)
    tasks.want_gone(member)
    tasks.want(into)


@transaction.atomic
def resolve_member(member: User, *, actor: str) -> bool:
    """Look again at a pending member. False when its name or address is still somebody's."""
    changed = accounts.resolve(member, actor=actor)
    if changed:
        tasks.want(member)
        welcome_if_ready(member)
    return changed


def names_are_free(username: str, email: str, *, actor: str) -> None:
    """Those who wait for them are looked at once that is committed: while it is not, their rows'
    locks could wait for this transaction and this one for theirs."""

    def look() -> None:
        resolve_named(username, email, actor)

    if username or email:
        transaction.on_commit(look, robust=True)


def resolve_named(username: str, email: str, actor: str) -> int:
    rows = User.objects.alias(name=Lower("username"), address=Lower("email"))
    same = Q(name=Lower(Value(username))) | Q(address=Lower(Value(email)))
    return resolve_each(rows.filter(same, status=Status.PENDING), actor)


def resolve_waiting(*, actor: str) -> int:
    """All pending members; how many live now. For those whom a killed process left waiting."""
    return resolve_each(User.objects.filter(status=Status.PENDING), actor)


def resolve_each(rows: QuerySet[User], actor: str) -> int:
    """Who came first gets the name."""
    return sum(resolve_member(row, actor=actor) for row in list(rows.order_by("id")[:MOST]))
