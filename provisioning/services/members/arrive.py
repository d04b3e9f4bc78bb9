"""A member arrives: with a key to claim, or as the WordPress user of one who was here before."""

from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Lower

from accounts import services as accounts
from accounts.models import LIVE, Site, User
from apikeys.models import ApiKey
from apikeys.services import keys
from provisioning.models import ClaimLink
from provisioning.services import tasks
from provisioning.services.claims import make_claim
from provisioning.services.members.welcome import welcome_if_ready

KEY_NAME = "Default key"


class Registered(NamedTuple):
    """A member with a key that waits to be claimed, and the link to claim it."""

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

    The mail is sent once SFTPGo is ready too, where it is configured; to a pending member (name or
    address in use) not before its conflict is resolved.
    """
    member = accounts.create_member(
        profile,
        tier=tier or settings.DEFAULT_TIER,
        actor=actor,
        site=site,
        wordpress_id=wordpress_id,
        welcome_due=welcome,
    )
    registered = give_key(member, actor=actor)
    tasks.want(member)
    welcome_if_ready(member)
    return registered


def give_key(member: User, *, actor: str) -> Registered:
    key = keys.create_member_key(member, name=KEY_NAME, actor=actor)
    return Registered(member, key, make_claim(key, actor=actor))


@transaction.atomic
def arrive_from_site(
    profile: accounts.Profile, *, actor: str, site: Site, wordpress_id: int, welcome: bool
) -> User:
    """A WordPress user seen for the first time: a new member, or with LINK_BY_EMAIL the local one
    who has its address."""
    member = local_member(profile) if settings.LINK_BY_EMAIL else None
    if member is None:
        return register_member(
            profile, actor=actor, site=site, wordpress_id=wordpress_id, welcome=welcome
        ).member
    accounts.link(member, site, wordpress_id, actor=actor)
    accounts.update_profile(member, profile, actor=actor)
    tasks.want(member)
    return member


def local_member(profile: accounts.Profile) -> User | None:
    """Never staff; and nobody whom the rest of the profile would bring into a conflict."""
    if not profile.email:
        return None
    rows = User.objects.filter(
        status__in=LIVE, wordpress_id=None, is_staff=False, is_superuser=False
    )
    found = (
        rows.alias(address=Lower("email"))
        .filter(address=Lower(Value(profile.email)))
        .select_for_update(no_key=True)
        .first()
    )
    if found is None or accounts.conflict(
        User(pk=found.pk, username=profile.username, email=profile.email)
    ):
        return None
    return found
