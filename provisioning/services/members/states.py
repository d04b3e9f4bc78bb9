"""Suspend, resume, delete, restore: the member's state, its keys, its letters, the systems behind.

Keys of a suspended member are refused because of the member, so they need no change themselves.
An illegal step is MomentryError conflict; a repeated one changes nothing and is False.
"""

from typing import Final

from django.db import transaction

from accounts import services as accounts
from accounts.models import Status, User
from apikeys.models import ApiKey
from apikeys.services import keys
from provisioning.services import tasks
from provisioning.services.members.arrive import Registered, give_key
from provisioning.services.members.conflicts import names_are_free
from provisioning.services.members.welcome import notify, welcome_if_ready
from provisioning.services.tokens import delete_tokens_of
from videos.services import uploads

THERE: Final = "suspended in WordPress"


@transaction.atomic
def suspend_member(member: User, *, reason: str, actor: str) -> bool:
    return stopped(member, accounts.suspend(member, reason=reason, actor=actor))


@transaction.atomic
def suspend_for_site(member: User, *, actor: str, tells: bool = True) -> bool:
    """As WordPress has it. A suspension by staff stays theirs. ``tells``: by letter."""
    changed = accounts.suspend_for_site(member, reason=THERE, actor=actor)
    return stopped(member, changed, tells=tells)


@transaction.atomic
def resume_member(member: User, *, actor: str) -> bool:
    return going(member, accounts.resume(member, actor=actor))


@transaction.atomic
def resume_for_site(member: User, *, actor: str) -> bool:
    """WordPress resumes only whom WordPress suspended."""
    return going(member, accounts.resume_for_site(member, actor=actor))


def stopped(member: User, changed: bool, *, tells: bool = True) -> bool:
    """What follows on a suspension; the member is told once, not when staff take one over."""
    if changed and member.status == Status.SUSPENDED:
        uploads.release_all(member)
        tasks.want(member)
        if tells:
            notify("suspended", member)
    return changed


def going(member: User, changed: bool) -> bool:
    if changed and member.status == Status.ACTIVE:
        tasks.want(member)
        notify("resumed", member)
        welcome_if_ready(member)
    return changed


@transaction.atomic
def delete_member(member: User, *, actor: str) -> bool:
    """Soft deletion: keys are revoked and external tokens forgotten for good, the name and the
    address are free for others. The rest is erased by purge_members; until then restore_member
    undoes it."""
    accounts.hold(member)
    # A pending member's address may be somebody else's, and who never had a key never was here.
    knows_us = member.status != Status.PENDING and ApiKey.objects.filter(owner=member).exists()
    if not accounts.mark_deleted(member, actor=actor):
        return False
    keys.revoke_keys_of(member, actor=actor)
    uploads.release_all(member)
    delete_tokens_of(member, actor=actor)
    tasks.want(member)
    if knows_us:
        notify("deleted", member)
    names_are_free(member.username, member.email, actor=actor)
    return True


@transaction.atomic
def restore_member(member: User, *, actor: str, welcome: bool = True) -> Registered:
    """Undo a deletion before the purge: as it was, or pending when its name or address is taken
    now. Revoked keys stay so: it gets a fresh one to claim, by mail if ``welcome``."""
    accounts.mark_restored(member, actor=actor)
    registered = give_key(member, actor=actor)
    if welcome:
        User.objects.filter(pk=member.pk).update(welcome_due=True)
        member.welcome_due = True
    tasks.want(member)
    welcome_if_ready(member)
    return registered
