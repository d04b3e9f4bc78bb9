"""The use cases of a member across keys and mail: register, suspend, resume, delete."""

from typing import NamedTuple

from django.conf import settings
from django.db import transaction

from accounts import services as accounts
from accounts.models import Site, Status, User
from apikeys.models import ApiKey
from apikeys.services import keys
from events import mail
from provisioning.models import ClaimLink
from provisioning.services.claims import make_claim

KEY_NAME = "Default key"
WELCOME = "welcome"


class Registered(NamedTuple):
    """A new member with a key that waits to be claimed, and the link to claim it."""

    member: User
    key: ApiKey
    claim: ClaimLink


@transaction.atomic
def register_member(
    profile: accounts.Profile,
    *,
    actor: str,
    site: Site | None = None,
    wordpress_id: int | None = None,
    tier: str = "",
    welcome: bool = True,
) -> Registered:
    """Member, key, claim link and welcome mail, all or nothing.

    A pending member (name or address in use) gets no mail before staff resolved it.
    """
    member = accounts.create_member(
        profile,
        tier=tier or settings.DEFAULT_TIER,
        actor=actor,
        site=site,
        wordpress_id=wordpress_id,
    )
    key = keys.create_member_key(member, name=KEY_NAME, actor=actor)
    claim = make_claim(key, actor=actor)
    if welcome and member.status == Status.ACTIVE and member.email:
        mail.queue(WELCOME, recipient=member.email, locale=member.locale, claim=claim.pk.hex)
    return Registered(member, key, claim)


@transaction.atomic
def delete_member(member: User, *, actor: str) -> bool:
    """Soft deletion: the keys die with it."""
    changed = accounts.mark_deleted(member, actor=actor)
    if changed:
        keys.revoke_keys_of(member, actor=actor)
    return changed
