"""A member changes: its profile, its tier, its storage quota."""

from typing import Any

from django.db import transaction

from accounts import services as accounts
from accounts.models import Status, User
from provisioning.services import tasks
from provisioning.services.members.conflicts import names_are_free
from provisioning.services.members.welcome import tell_both, welcome_if_ready


@transaction.atomic
def update_profile(member: User, profile: accounts.Profile, *, actor: str) -> bool:
    """What staff say of a person. A name or address of another live member makes it pending."""
    return follow(member, accounts.update_profile(member, profile, actor=actor), actor)


@transaction.atomic
def update_for_site(member: User, profile: accounts.Profile, *, actor: str) -> bool:
    """What WordPress says of its user; what staff renamed stays renamed."""
    return follow(member, accounts.update_for_site(member, profile, actor=actor), actor)


def follow(member: User, before: dict[str, str], actor: str) -> bool:
    """What a changed profile means for the rest. ``before``: old values of what changed."""
    if not before:
        return False
    tasks.want(member)
    if member.status != Status.PENDING:  # while it is, the new address may be somebody else's
        tell_both(member, before)
    names_are_free(before.get("username", ""), before.get("email", ""), actor=actor)
    welcome_if_ready(member)
    return True


@transaction.atomic
def change_member(member: User, *, actor: str, **fields: Any) -> bool:
    """Tier, storage quota, staff rights."""
    changed = accounts.change_member(member, actor=actor, **fields)
    if changed:
        tasks.want(member)
    return changed


def change_quota(member: User, quota_size: int | None, *, actor: str) -> bool:
    """Bytes; None is unlimited. Less than is used is allowed: then nothing more comes in."""
    return change_member(member, actor=actor, quota_size=quota_size)


def change_tier(member: User, tier: str, *, actor: str) -> bool:
    return change_member(member, actor=actor, tier=tier)
