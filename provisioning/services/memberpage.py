"""What the buttons of a member's own page inside WordPress do.

WordPress says who is logged in, under the site's signature; the member's browser never gets here.
"""

from typing import Final, NamedTuple
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Site, Status, User
from apikeys.gate.scopes import MEMBER_SCOPES
from apikeys.models import ApiKey, KeyType
from apikeys.services.keys import IssuedKey, issue_secret
from apikeys.services.makers import Maker
from apikeys.services.rotate import rotate_key
from events.kinds import Kind
from events.services import record
from momentry.common.errors import MomentryError
from provisioning.models import ClaimLink, InboxEvent, Outcome

ACTIONS: Final = ("show", "rotate", "claim")


class Order(NamedTuple):
    """What a member asked for. ``event_id``: the same again is done once."""

    event_id: str
    action: str
    wordpress_id: int
    key_id: UUID


def member_of(site: Site, wordpress_id: int) -> User:
    """MomentryError not_found for whom momentry does not know, or knew once."""
    rows = User.objects.filter(site=site, wordpress_id=wordpress_id)
    member = rows.exclude(status=Status.DELETED).first()
    if member is None:
        raise MomentryError("not_found")
    return member


@transaction.atomic
def carry_out(site: Site, order: Order) -> IssuedKey:
    """Rotate or claim one of the member's own keys. MomentryError conflict for what was done
    already, not_found for a key that is not theirs, member_suspended while they are not active."""
    member = member_of(site, order.wordpress_id)
    if member.status != Status.ACTIVE:
        raise MomentryError("member_suspended")
    remember(site, order, member)
    key = keys_of(member).filter(pk=order.key_id).first()
    if key is None:
        raise MomentryError("not_found")
    if order.action == "claim":
        return claim(key, member)
    return rotate_key(key, maker=Maker(actor_of(member), MEMBER_SCOPES, makes_services=False))


def remember(site: Site, order: Order, member: User) -> None:
    """In the effect's transaction, where webhooks of the site are remembered too."""
    try:
        with transaction.atomic():
            InboxEvent.objects.create(
                site=site,
                event_id=order.event_id,
                type=f"member.{order.action}",
                sequence=0,
                wordpress_id=order.wordpress_id,
                outcome=Outcome.APPLIED,
                member=member,
            )
    except IntegrityError:
        raise MomentryError("conflict", "This was done already.") from None


def claim(key: ApiKey, member: User) -> IssuedKey:
    """Links to this key that went out lead nowhere from now on."""
    secret = issue_secret(key)
    ClaimLink.objects.filter(key=key, used_at=None, voided_at=None).update(voided_at=timezone.now())
    record(Kind.APIKEY_CLAIMED, actor=actor_of(member), subject=f"key:{key.pk.hex}")
    key.refresh_from_db()
    return IssuedKey(key, secret)


def actor_of(member: User) -> str:
    return f"member:{member.pk.hex}"


def keys_of(member: User) -> QuerySet[ApiKey]:
    return ApiKey.objects.filter(owner=member, key_type=KeyType.USER, purged_at=None)
