"""Members' rows: made, changed and linked to a WordPress user. States are in states.py."""

from typing import Any, NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import Value
from django.db.models.functions import Lower

from accounts.models import LIVE, Site, Status, User
from events.changes import changes
from events.kinds import Kind
from events.services import record
from momentry.common.errors import MomentryError


class Profile(NamedTuple):
    """What a registration says of a person."""

    username: str
    email: str
    display_name: str = ""
    locale: str = ""


def hold(member: User, versions: frozenset[int] | None = None) -> None:
    """Lock the row until the transaction ends and read it afresh: of two writers one waits.

    MomentryError precondition_failed when its version is none of those that were asked for.
    """
    member.refresh_from_db(from_queryset=User.objects.select_for_update(no_key=True))
    if versions is not None and member.version not in versions:
        raise MomentryError("precondition_failed")


def refuse_deleted(member: User) -> None:
    if member.status == Status.DELETED:
        raise MomentryError("conflict", "This member was deleted.")


@transaction.atomic
def create_member(
    profile: Profile,
    *,
    tier: str,
    actor: str,
    site: Site | None = None,
    wordpress_id: int | None = None,
    welcome_due: bool = False,
) -> User:
    """A new member: active, or pending when another live member has the name or the address."""
    member = User(
        site=site,
        wordpress_id=wordpress_id,
        tier=tier,
        welcome_due=welcome_due,
        **profile._asdict(),
    )
    member.set_unusable_password()
    settle(member)
    member.full_clean(validate_constraints=False)
    save_or_pend(member)
    record(Kind.MEMBER_CREATED, actor=actor, subject=subject(member), status=member.status)
    return member


def settle(member: User) -> None:
    """The state that follows from its names and suspensions. Nothing is saved."""
    if reason := conflict(member):
        member.status, member.status_reason = Status.PENDING, reason
    elif member.suspended_by:
        member.status, member.status_reason = Status.SUSPENDED, member.suspension_reason
    else:
        member.status, member.status_reason = Status.ACTIVE, ""


def save_or_pend(member: User, *changed: str) -> None:
    """Save (only what changed, if told); whom another took the name from meanwhile is pending.

    The database's own index decides, not a look before the write.
    """
    fields = [*changed, "status", "status_reason", "version", "updated_at"] if changed else None
    if changed:
        member.version += 1
    try:
        with transaction.atomic():
            member.save(update_fields=fields)
    except IntegrityError:
        member.status, member.status_reason = Status.PENDING, conflict(member) or "name in use"
        member.save(update_fields=fields)


def save(member: User, *changed: str) -> None:
    member.version += 1
    member.save(update_fields=[*changed, "version", "updated_at"])


def conflict(member: User) -> str:
    """Why this member cannot live beside the others, or ""."""
    others = User.objects.filter(status__in=LIVE).exclude(pk=member.pk)
    for name in ("username", "email"):
        wanted = getattr(member, name)
        # Lower on both sides, by the database: exactly what the unique indexes compare.
        same = others.alias(wanted=Lower(name)).filter(wanted=Lower(Value(wanted)))
        if wanted and same.exists():
            return f"{name} in use"
    return ""


@transaction.atomic
def update_profile(member: User, profile: Profile, *, actor: str) -> dict[str, str]:
    """Take over what changed; the old values of that, by name. MomentryError conflict for a
    deleted member.

    A name or address of another live member makes it pending, one that nobody else has takes it
    out of that.
    """
    hold(member)
    refuse_deleted(member)
    wanted = profile._asdict()
    before = {name: old for name in wanted if (old := getattr(member, name)) != wanted[name]}
    if not before:
        return {}
    if member.status == Status.SUSPENDED and not member.suspended_by:
        member.suspended_by, member.suspension_reason = "unknown", member.status_reason
    for name in before:
        setattr(member, name, wanted[name])
    settle(member)
    member.full_clean(validate_constraints=False)
    save_or_pend(member, *before, "suspended_by", "suspension_reason")
    change = changes(before, {name: wanted[name] for name in before})
    record(
        Kind.MEMBER_UPDATED,
        actor=actor,
        subject=subject(member),
        status=member.status,
        **change,
    )
    return before


@transaction.atomic
def change_member(member: User, *, actor: str, **fields: Any) -> bool:
    """Staff's changes to what is no profile: tier, storage quota, staff rights."""
    hold(member)
    before = {name: getattr(member, name) for name in fields}
    change = changes(before, fields)
    if not change["fields"]:
        return False
    refuse_deleted(member)
    for name, value in change["after"].items():
        setattr(member, name, value)
    member.full_clean()
    save(member, *change["fields"])
    record(Kind.MEMBER_UPDATED, actor=actor, subject=subject(member), **change)
    return True


def groups_of(member: User) -> list[str]:
    return sorted(member.groups.values_list("name", flat=True))


@transaction.atomic
def note_groups(member: User, before: list[str], *, actor: str) -> None:
    """Staff are in other groups now, perhaps, and so have other rights."""
    change = changes({"groups": before}, {"groups": groups_of(member)})
    if change["fields"]:
        record(Kind.MEMBER_UPDATED, actor=actor, subject=subject(member), **change)


def subject(member: User) -> str:
    return f"member:{member.pk.hex}"
