"""One change to a member by whoever manages members: profile, tier, quota and limits at once."""

from typing import Any, Final

from django.db import transaction

from accounts import services as accounts
from accounts.models import User
from accounts.services import Profile
from apikeys.services.makers import Maker, check_rules
from apikeys.services.overrides import overrides_of, set_member_limits
from momentry.common.errors import MomentryError
from provisioning.services.members.change import change_member, update_profile

RULES: Final = ("tier", "quota_size", "quota_daily")
FROM_WORDPRESS: Final = (
    "This member's profile comes from WordPress: change it there, or rename the member."
)


@transaction.atomic
def edit_member(
    member: User, wanted: dict[str, Any], *, maker: Maker, versions: frozenset[int] | None = None
) -> None:
    """All of it or nothing. ``wanted``: fields of a profile, RULES, ``limits``.

    MomentryError conflict for a profile that is WordPress's, and for a name that is somebody's;
    precondition_failed; insufficient_scope for a key that gives more than it holds.
    """
    accounts.hold(member, versions)
    accounts.refuse_deleted(member)
    profile = profile_in(member, wanted)
    rules = {
        name: wanted[name] for name in RULES if name in wanted and differs(member, wanted, name)
    }
    limits = wanted.get("limits")
    if limits is not None and limits == overrides_of(member.limit_overrides.all()):
        limits = None
    if rules or limits is not None:
        check_rules(maker)
    if profile is not None:
        update_profile(member, profile, actor=maker.actor)
    if rules:
        change_member(member, actor=maker.actor, **rules)
    if limits is not None:
        set_member_limits(member.pk, limits, actor=maker.actor)


def differs(member: User, wanted: dict[str, Any], name: str) -> bool:
    return bool(getattr(member, name) != wanted[name])


def profile_in(member: User, wanted: dict[str, Any]) -> Profile | None:
    """The profile it would have, if that is another. Here a person can mend a conflict: nobody
    becomes pending."""
    given = {name: wanted[name] for name in Profile._fields if name in wanted}
    if not any(differs(member, given, name) for name in given):
        return None
    if not member.is_local:
        raise MomentryError("conflict", FROM_WORDPRESS)
    profile = accounts.profile_of(member)._replace(**given)
    if reason := accounts.conflict(
        User(pk=member.pk, username=profile.username, email=profile.email)
    ):
        raise MomentryError("conflict", f"{reason.capitalize()}.")
    return profile
