"""A member and its WordPress user: linked, followed, renamed beside it, moved to another member."""

from typing import Final

from django.db import transaction

from accounts.models import LIVE, Site, Status, User
from accounts.services.profiles import (
    Profile,
    conflict,
    hold,
    refuse_deleted,
    save,
    subject,
    update_profile,
)
from events.kinds import Kind
from events.services import record
from momentry.common.errors import MomentryError

# What WordPress says of a name that staff changed here: as long as it says just that, theirs holds.
THERE: Final = {"username": "wordpress_username", "email": "wordpress_email"}


@transaction.atomic
def link(member: User, site: Site, wordpress_id: int, *, sequence: int = 0, actor: str) -> None:
    """From now on this WordPress user is the source of the member's profile and state.

    MomentryError conflict for staff, for the deleted, and for who has a WordPress user already.
    """
    hold(member)
    refuse_deleted(member)
    if member.is_staff or member.is_superuser:
        raise MomentryError("conflict", "Staff are not linked to a WordPress user.")
    if not member.is_local:
        raise MomentryError("conflict", "That member belongs to another WordPress user.")
    member.site, member.wordpress_id, member.last_sequence = site, wordpress_id, sequence
    save(member, "site", "wordpress_id", "last_sequence")
    record(Kind.MEMBER_LINKED, actor=actor, subject=subject(member), site=site.pk.hex)


@transaction.atomic
def update_for_site(member: User, profile: Profile, *, actor: str) -> dict[str, str]:
    """As update_profile, but a name that staff changed stays theirs until WordPress changes it."""
    hold(member)
    ours = {
        name: getattr(member, name)
        for name, there in THERE.items()
        if getattr(member, there) and getattr(member, there) == getattr(profile, name)
    }
    gone = [there for name, there in THERE.items() if getattr(member, there) and name not in ours]
    if gone:
        for there in gone:
            setattr(member, there, "")
        save(member, *gone)
    return update_profile(member, profile._replace(**ours), actor=actor)


@transaction.atomic
def rename(member: User, names: dict[str, str], *, actor: str) -> dict[str, str]:
    """Another username or address, as staff want it. MomentryError conflict when a live member has
    it already, or the member was deleted."""
    hold(member)
    refuse_deleted(member)
    profile = profile_of(member)._replace(**names)
    if reason := conflict(User(pk=member.pk, username=profile.username, email=profile.email)):
        raise MomentryError("conflict", f"{reason.capitalize()}: choose another.")
    if not member.is_local:
        for name, wanted in names.items():
            said = getattr(member, THERE[name]) or getattr(member, name)
            setattr(member, THERE[name], "" if said == wanted else said)
        save(member, *(THERE[name] for name in names))
    return update_profile(member, profile, actor=actor)


@transaction.atomic
def hand_over(member: User, into: User, *, actor: str) -> None:
    """The pending member's WordPress user becomes that of the live member whose name or address it
    has, with its profile. MomentryError conflict where that is not the case, or would not do."""
    for row in sorted((member, into), key=lambda one: one.pk):  # in one order: nobody deadlocks
        hold(row)
    check_mergeable(member, into)
    site, wordpress_id = member.site, member.wordpress_id
    assert site is not None and wordpress_id is not None  # noqa: S101, PT018  not is_local
    member.site = member.wordpress_id = None
    save(member, "site", "wordpress_id")
    link(into, site, wordpress_id, sequence=member.last_sequence, actor=actor)
    update_profile(into, profile_of(member), actor=actor)
    record(Kind.MEMBER_MERGED, actor=actor, subject=subject(member), into=into.pk.hex)


def check_mergeable(member: User, into: User) -> None:
    if member.status != Status.PENDING or member.is_local:
        raise MomentryError("conflict", "Only a pending member of a WordPress site is merged.")
    same = [
        name
        for name in THERE
        if getattr(member, name) and getattr(member, name).lower() == getattr(into, name).lower()
    ]
    if into.status not in LIVE or not same:
        raise MomentryError("conflict", "That is no live member with the same name or address.")
    if member.quota_used or member.quota_reserved:
        raise MomentryError("conflict", "The pending member has files: rename it instead.")
    if conflict(User(pk=into.pk, username=member.username, email=member.email)):
        raise MomentryError("conflict", "A third member has the other name: rename one of them.")


def profile_of(member: User) -> Profile:
    return Profile(member.username, member.email, member.display_name, member.locale)
