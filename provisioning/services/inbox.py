"""WordPress's webhooks: verified, applied once and in order, with their inbox row."""

import base64
from datetime import datetime
from typing import Final, NamedTuple

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from accounts import services as accounts
from accounts.models import Scheme, Site, Status, User
from momentry.common.errors import MomentryError
from provisioning import foreign
from provisioning.models import InboxEvent, Outcome
from provisioning.services import members
from provisioning.wordpress import Snapshot

HEADERS: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")
PREFIX: Final = "whsec_"
OVERTAKEN: Final = "overtaken"
SHORTEST_SECRET: Final = 24  # bytes, the least Standard Webhooks allows


def sender_of(body: bytes, headers: dict[str, str]) -> Site:
    """The site whose secret signed these raw bytes; MomentryError signature_invalid for none.

    Standard Webhooks 1.0 over ``id.timestamp.body``, five minutes of tolerance.
    """
    signed = {name: headers.get(name, "") for name in HEADERS}
    for site in Site.objects.filter(disabled_at=None, scheme=Scheme.STANDARD):
        if any(is_signed(secret, body, signed) for secret in site.webhook_secrets):
            return site
    raise MomentryError("signature_invalid")


def foreign_sender_of(scheme: Scheme, body: bytes, headers: dict[str, str]) -> Site:
    """As sender_of, for the other schemes: over the raw body alone."""
    signature = headers[foreign.SIGNATURES[scheme]]
    for site in Site.objects.filter(disabled_at=None, scheme=scheme):
        if any(foreign.is_signed(secret, signature, body) for secret in site.webhook_secrets):
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
                wordpress_id=snapshot.wordpress_id,
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
    member = follow(site, member, snapshot)
    if member is None:
        return None, Outcome.APPLIED
    User.objects.filter(pk=member.pk).update(last_sequence=snapshot.sequence)
    conflict = member.status == Status.PENDING
    return member, Outcome.CONFLICT if conflict else Outcome.APPLIED


class State(NamedTuple):
    """By which it is seen that a member changed meanwhile."""

    sequence: int
    updated_at: datetime

    @classmethod
    def of(cls, member: User) -> "State":
        return cls(member.last_sequence, member.updated_at)


def apply_current(site: Site, snapshot: Snapshot, *, seen: State | None) -> str:
    """Apply what WordPress says by REST. It has no sequence, so it counts only if the member is as
    it was ``seen`` (None: there was none) before WordPress was asked: ``applied``, ``conflict`` or
    ``overtaken``."""
    with transaction.atomic():
        serialise(site, snapshot.wordpress_id)
        known = User.objects.select_for_update().filter(site=site)
        member = known.filter(wordpress_id=snapshot.wordpress_id).first()
        if (State.of(member) if member else None) != seen:
            return OVERTAKEN
        member = follow(site, member, snapshot)
    is_pending = member is not None and member.status == Status.PENDING
    return Outcome.CONFLICT if is_pending else Outcome.APPLIED


def follow(site: Site, member: User | None, snapshot: Snapshot) -> User | None:
    """Bring the member to what the snapshot says; None for a user who is not to be one."""
    actor = f"site:{site.pk.hex}"
    if member is None:
        if is_excluded(snapshot):
            return None
        member = arrive(site, snapshot, actor)
        follow_status(member, snapshot, actor, tells=False)
    else:
        if member.status != Status.DELETED:
            members.update_for_site(member, snapshot.profile, actor=actor)
        follow_status(member, snapshot, actor)
    return member


def is_excluded(snapshot: Snapshot) -> bool:
    """Is the user no member, by a role of WORDPRESS_EXCLUDED_ROLES or by the plugin's word?"""
    excluded = settings.WORDPRESS_EXCLUDED_ROLES
    return not snapshot.is_member or not excluded.isdisjoint(snapshot.roles)


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


def follow_status(member: User, snapshot: Snapshot, actor: str, *, tells: bool = True) -> None:
    """Deleted is for good; a late registration of a deleted member stays dead. ``tells``: a letter
    tells the member of a suspension; not who was never let in.

    A suspension by staff is theirs to undo: WordPress resumes only whom WordPress suspended.
    """
    if snapshot.is_gone:
        members.delete_member(member, actor=actor)
    elif snapshot.status == "suspended" or is_excluded(snapshot):
        members.suspend_for_site(member, actor=actor, tells=tells)
    else:
        members.resume_for_site(member, actor=actor)
