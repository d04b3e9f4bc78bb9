"""Letters to members: queued in the transaction of what they tell; the welcome once per arrival."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import Status, User
from apikeys.models import ApiKey, KeyType
from events import mail
from provisioning.models import Chance, ClaimLink
from provisioning.services import tasks
from provisioning.services.claims import make_claim

ACTOR = "welcome"


def notify(letter: str, member: User, *, to: str = "", **context: Any) -> None:
    """To the member's address, or another one; to nobody where there is none."""
    if recipient := to or member.email:
        context["member"] = member.pk.hex
        mail.queue(letter, recipient=recipient, locale=member.locale, **context)


def tell_both(member: User, before: dict[str, str]) -> None:
    """Another address: both learn of it, the old one in case it was not its owner's doing."""
    old = before.get("email")
    if old is None or old.lower() == member.email.lower():
        return
    for address in filter(None, (old, member.email)):
        notify("email_changed", member, to=address)


def welcome_if_ready(member: User) -> None:
    if member.welcome_due and member.status == Status.ACTIVE and tasks.is_done(member):
        welcome(member)


@transaction.atomic
def welcome(member: User) -> bool:
    """Queue the welcome mail, if it is due: of several calls at once one does. False, and it stays
    due, for who is not active or has no address."""
    waiting = User.objects.filter(pk=member.pk, welcome_due=True, status=Status.ACTIVE)
    if not waiting.exclude(email="").update(welcome_due=False):
        return False
    member.refresh_from_db(fields=["email", "locale", "status", "welcome_due"])
    claim = link_for(member)
    notify("welcome", member, claim=claim.pk.hex if claim else None)
    return True


def link_for(member: User) -> ClaimLink | None:
    """The open link to a key that waits for its owner, a new one where it ran out meanwhile; None
    when all keys were claimed."""
    waiting = ApiKey.objects.filter(
        owner=member, key_type=KeyType.USER, digest=None, revoked_at=None, quarantined_at=None
    )
    key = waiting.order_by("-created_at").first()
    if key is None:
        return None
    now = timezone.now()
    link = key.claims.filter(
        chance=Chance.KEY, used_at=None, voided_at=None, expires_at__gt=now
    ).first()
    return link or make_claim(key, actor=ACTOR)
