"""Limits of one member's or one key's own, by name, instead of their tier's."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from accounts.models import Status, User
from apikeys.models import ApiKey, LimitOverride, RequestLimit
from apikeys.services.wanted import check_overrides
from events.kinds import Kind
from events.services import record
from momentry.common.errors import MomentryError

Overrides = Mapping[str, int | None]


def overrides_of(rows: Iterable[LimitOverride]) -> dict[str, int | None]:
    """A name that is not there is its tier's matter; None is unlimited."""
    return {row.name: row.value for row in rows}


def own_limits(key: ApiKey, overrides: Overrides) -> dict[str, int | None]:
    """What the key's own tier and overrides let it do, every name; its member's come besides."""
    of_tier = {name: getattr(key.tier, name, None) for name in RequestLimit.values}
    return {**of_tier, **overrides}


def save_overrides(overrides: Overrides, **subject: Any) -> None:
    """Instead of all that the subject (``member=`` or ``key=``) has."""
    LimitOverride.objects.filter(**subject).delete()
    LimitOverride.objects.bulk_create(
        LimitOverride(**subject, name=name, value=value) for name, value in overrides.items()
    )


@transaction.atomic
def set_member_limits(member_id: UUID, wanted: Overrides, *, actor: str) -> dict[str, int | None]:
    """What they are now; no event when that is what they were. Counts from the next request on.

    User.DoesNotExist without such a member; MomentryError invalid_input, or conflict when it was
    deleted.
    """
    member = User.objects.select_for_update(no_key=True).get(pk=member_id, is_staff=False)
    if member.status == Status.DELETED:
        raise MomentryError("conflict", "This member was deleted.")
    check_overrides(wanted, prefix="")
    before = overrides_of(member.limit_overrides.all())
    if before != wanted:
        save_overrides(wanted, member=member)
        User.objects.filter(pk=member.pk).update(version=F("version") + 1)
        subject = f"member:{member.pk.hex}"
        limits = {"before": before, "after": dict(wanted)}
        record(Kind.MEMBER_LIMITS_CHANGED, actor=actor, subject=subject, **limits)
    return dict(wanted)
