"""Every write to a member's own row; whatever touches keys or other systems is in provisioning."""

from typing import Any, NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import LIVE, Site, Status, User
from events.kinds import Kind
from events.services import record


class Profile(NamedTuple):
    """What a registration says of a person."""

    username: str
    email: str
    display_name: str = ""
    locale: str = ""


@transaction.atomic
def create_member(
    profile: Profile,
    *,
    tier: str,
    actor: str,
    site: Site | None = None,
    wordpress_id: int | None = None,
) -> User:
    """A new member: active, or pending when another live member has the name or the address."""
    member = User(site=site, wordpress_id=wordpress_id, tier=tier, **profile._asdict())
    member.set_unusable_password()
    member.status_reason = conflict(member)
    member.status = Status.PENDING if member.status_reason else Status.ACTIVE
    member.full_clean(validate_constraints=False)
    save_or_pend(member)
    record(Kind.MEMBER_CREATED, actor=actor, subject=subject(member), status=member.status)
    return member


def save_or_pend(member: User, *changed: str) -> None:
    """Save (only what changed, if told); whom another took the name from meanwhile is pending.

    The database's own index decides, not a look before the write.
    """
    fields = [*changed, "status", "status_reason", "updated_at"] if changed else None
    try:
        with transaction.atomic():
            member.save(update_fields=fields)
    except IntegrityError:
        member.status, member.status_reason = Status.PENDING, conflict(member) or "name in use"
        member.save(update_fields=fields)


def conflict(member: User) -> str:
    """Why this member cannot live beside the others, or ""."""
    others = User.objects.filter(status__in=LIVE).exclude(pk=member.pk)
    if others.filter(username__iexact=member.username).exists():
        return "username in use"
    if member.email and others.filter(email__iexact=member.email).exists():
        return "email in use"
    return ""


@transaction.atomic
def update_profile(member: User, profile: Profile, *, actor: str) -> bool:
    """Take over what changed. A name or address of another live member makes it pending."""
    changes = {
        name: value for name, value in profile._asdict().items() if getattr(member, name) != value
    }
    if not changes:
        return False
    for name, value in changes.items():
        setattr(member, name, value)
    if member.status in LIVE and (reason := conflict(member)):
        member.status, member.status_reason = Status.PENDING, reason
    member.full_clean(validate_constraints=False)
    save_or_pend(member, *changes)
    record(Kind.MEMBER_UPDATED, actor=actor, subject=subject(member), fields=sorted(changes))
    return True


@transaction.atomic
def change_member(member: User, *, actor: str, **fields: Any) -> bool:
    """Staff's changes to what is no profile: tier, storage quota, staff rights."""
    changes = {name: value for name, value in fields.items() if getattr(member, name) != value}
    if not changes:
        return False
    for name, value in changes.items():
        setattr(member, name, value)
    member.full_clean()
    member.save(update_fields=[*changes, "updated_at"])
    record(Kind.MEMBER_UPDATED, actor=actor, subject=subject(member), fields=sorted(changes))
    return True


@transaction.atomic
def suspend(member: User, *, reason: str, actor: str) -> bool:
    """active → suspended. False when the member was not active."""
    return change_status(
        member, Status.ACTIVE, Status.SUSPENDED, Kind.MEMBER_SUSPENDED, reason=reason, actor=actor
    )


@transaction.atomic
def resume(member: User, *, actor: str) -> bool:
    """suspended → active. False when the member was not suspended."""
    return change_status(
        member, Status.SUSPENDED, Status.ACTIVE, Kind.MEMBER_RESUMED, reason="", actor=actor
    )


def change_status(
    member: User, old: Status, new: Status, kind: Kind, *, reason: str, actor: str
) -> bool:
    changed = User.objects.filter(pk=member.pk, status=old).update(
        status=new, status_reason=reason, updated_at=timezone.now()
    )
    if changed:
        member.refresh_from_db(fields=["status", "status_reason"])
        record(kind, actor=actor, subject=subject(member), reason=reason)
    return bool(changed)


@transaction.atomic
def mark_deleted(member: User, *, actor: str) -> bool:
    """Soft deletion: the row stays as a tombstone. False when it was deleted already."""
    changed = User.objects.filter(~Q(status=Status.DELETED), pk=member.pk).update(
        status=Status.DELETED, status_reason="", updated_at=timezone.now()
    )
    if changed:
        member.refresh_from_db(fields=["status", "status_reason"])
        record(Kind.MEMBER_DELETED, actor=actor, subject=subject(member))
    return bool(changed)


def subject(member: User) -> str:
    return f"member:{member.pk.hex}"
