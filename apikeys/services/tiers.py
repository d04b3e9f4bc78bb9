"""Tiers: made, changed and removed by whoever holds everything, each change an event."""

from typing import Final

from django.conf import settings
from django.db import transaction

from accounts.models import User
from apikeys.models import ApiKey, KeyTemplate, Tier
from apikeys.models.rights import LIMITS
from apikeys.services.makers import Maker, check_rules
from events.changes import changes
from events.kinds import Kind
from events.services import record
from momentry.common.errors import MomentryError

FIELDS: Final = ("name", *LIMITS)


@transaction.atomic
def save_tier(tier: Tier, *, maker: Maker) -> Tier:
    """Make a tier, or keep what changed of one. Raises ValidationError or MomentryError
    insufficient_scope or conflict; of two at once that make the same one, IntegrityError."""
    check_rules(maker)
    before = Tier.objects.select_for_update().filter(pk=tier.pk).values(*FIELDS).first()
    adding = tier._state.adding
    if adding and before is not None:
        raise MomentryError("conflict", f"There is a tier {tier.pk}: change that one.")
    if not adding and before is None:
        raise MomentryError("not_found")
    after = {name: getattr(tier, name) for name in FIELDS}
    if after != before:
        tier.full_clean(validate_unique=False)
        tier.save(force_insert=adding)
        kind = Kind.TIER_UPDATED if before else Kind.TIER_CREATED
        details = changes(before, after) if before else after
        record(kind, actor=maker.actor, subject=f"tier:{tier.pk}", **details)
    return tier


@transaction.atomic
def delete_tier(tier: Tier, *, maker: Maker) -> None:
    """With its grants. MomentryError conflict while anything is in it: members of a tier that is
    gone would have no limits at all."""
    check_rules(maker)
    if not Tier.objects.select_for_update().filter(pk=tier.pk).exists():
        raise MomentryError("not_found")
    if users := users_of(tier.pk):
        raise MomentryError("conflict", f"This tier is still in use: {', '.join(users)}.")
    record(Kind.TIER_DELETED, actor=maker.actor, subject=f"tier:{tier.pk}", name=tier.name)
    tier.delete()


def users_of(slug: str) -> list[str]:
    """What holds on to the tier, in words."""
    found = {
        "new members start in it": slug == settings.DEFAULT_TIER,
        "members": User.objects.filter(tier=slug).exists(),
        "keys": ApiKey.objects.filter(tier=slug).exists(),
        "templates": KeyTemplate.objects.filter(tier=slug).exists(),
    }
    return [what for what, is_there in found.items() if is_there]
