"""WordPress's webhooks: verified, applied once and in order, with their inbox row."""

import base64
from typing import Final

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from accounts import services as accounts
from accounts.models import Site, Status, User
from momentry.common.errors import MomentryError
from provisioning.models import InboxEvent, Outcome
from provisioning.services import members
from provisioning.wordpress import Snapshot

HEADERS: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")
PREFIX: Final = "whsec_"
SHORTEST_SECRET: Final = 24  # bytes, the least Standard Webhooks allows


def sender_of(body: bytes, headers: dict[str, str]) -> Site:
    """The site whose secret signed these raw bytes; MomentryError signature_invalid for none.

    Standard Webhooks 1.0 over ``id.timestamp.body``, five minutes of tolerance.
    """
    signed = {name: headers.get(name, "") for name in HEADERS}
    for site in Site.objects.filter(disabled_at=None):
        if is_signed(site.webhook_secret or "", body, signed):
            return site
    raise MomentryError("signature_invalid")


def is_signed(secret: str, body: bytes, headers: dict[str, str]) -> bool:
    """Whatever the library raises, at a bad secret, header or body, is no signature."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        if len(key) < SHORTEST_SECRET:  # an empty key would sign for everybody
            return False
        Webhook(key).verify(body, headers, json_parse=False)
    except (WebhookVerificationError, ValueError):
        return False
    return True


def receive(site: Site, snapshot: Snapshot) -> str:
    """Apply one snapshot: ``applied``, ``duplicate``, ``stale`` or ``conflict``.

    The inbox row is written first in the effect's transaction: of the same event delivered many
    times at once, one is applied and the others wait for it and find the row.
    """
    try:
        with transaction.atomic():
            event = InboxEvent.objects.create(
                site=site,
                event_id=snapshot.event_id,
                type=snapshot.type,
                sequence=snapshot.sequence,
                outcome=Outcome.APPLIED,
            )
            serialise(site, snapshot.wordpress_id)
            event.member, event.outcome = apply(site, snapshot)
            event.save(update_fields=["member", "outcome"])
    except IntegrityError:
        if InboxEvent.objects.filter(site=site, event_id=snapshot.event_id).exists():
            return "duplicate"
        raise
    return event.outcome


def serialise(site: Site, wordpress_id: int) -> None:
    """One writer per WordPress user, also before the member's row exists to be locked."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
            [f"member {site.pk.hex} {wordpress_id}"],
        )


def apply(site: Site, snapshot: Snapshot) -> tuple[User | None, Outcome]:
    known = User.objects.select_for_update().filter(site=site)
    member = known.filter(wordpress_id=snapshot.wordpress_id).first()
    if member is not None and snapshot.sequence <= member.last_sequence:
        return member, Outcome.STALE
    actor = f"site:{site.pk.hex}"
    if member is None:
        member = arrive(site, snapshot, actor)
    elif member.status != Status.DELETED:
        members.update_for_site(member, snapshot.profile, actor=actor)
    follow_status(member, snapshot, actor)
    User.objects.filter(pk=member.pk).update(last_sequence=snapshot.sequence)
    conflict = member.status == Status.PENDING
    return member, Outcome.CONFLICT if conflict else Outcome.APPLIED


def arrive(site: Site, snapshot: Snapshot, actor: str) -> User:
    """A user not seen before. One that is already gone leaves a tombstone, without a key."""
    if snapshot.is_gone:
        return accounts.create_member(
            snapshot.profile,
            tier=settings.DEFAULT_TIER,
            actor=actor,
            site=site,
            wordpress_id=snapshot.wordpress_id,
        )
    return members.arrive_from_site(
        snapshot.profile,
        actor=actor,
        site=site,
        wordpress_id=snapshot.wordpress_id,
        welcome=snapshot.status == "active",
    )


def follow_status(member: User, snapshot: Snapshot, actor: str) -> None:
    """Deleted is for good; a late registration of a deleted member stays dead.

    A suspension by staff is theirs to undo: WordPress resumes only whom WordPress suspended.
    """
    if snapshot.is_gone:
        members.delete_member(member, actor=actor)
    elif snapshot.status == "suspended":
        members.suspend_for_site(member, actor=actor)
    else:
        members.resume_for_site(member, actor=actor)
