"""Letters that somebody does not want: called off and wanted again, by a signed link or an API.

The link needs no log-in and never ends (RFC 8058): it is a HMAC over whom and what, stored nowhere,
and opens nothing else.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import transaction

from events.kinds import Kind
from events.mailmodels import Unsubscription
from events.models import Mail
from events.services import record
from events.topics import OF_LETTERS, Topic, whose
from momentry.common.crypto.keyring import get_ring
from momentry.common.errors import MomentryError

PURPOSE: Final = "unsubscribe link"
GONE: Final = "This link is not valid."
MAC_BYTES: Final = 32


class Subscription(NamedTuple):
    member: UUID
    topic: Topic


def subscription_of(letter: Mail) -> Subscription | None:
    """What would have to be called off to stop such letters; None for those that always come."""
    topic, member = OF_LETTERS.get(letter.template), whose(letter.context)
    return Subscription(UUID(member), topic) if topic and member else None


def link_of(found: Subscription) -> str:
    return f"{settings.PUBLIC_URL}/unsubscribe/{token_of(found, get_ring().derive(PURPOSE))}"


def token_of(found: Subscription, key: bytes) -> str:
    body = found.member.bytes + found.topic.encode()
    return base64.urlsafe_b64encode(hmac.digest(key, body, hashlib.sha256) + body).decode()


def read_token(token: str) -> Subscription:
    """MomentryError not_found for what none of the ring's keys made."""
    try:
        raw = base64.b64decode(token.encode("ascii"), b"-_", validate=True)
        body = raw[MAC_BYTES:]
        found = Subscription(UUID(bytes=body[:16]), Topic(body[16:].decode()))
    except (ValueError, binascii.Error):
        raise MomentryError("not_found", GONE) from None
    keys = get_ring().derive_all(PURPOSE)
    if not any(hmac.compare_digest(token, token_of(found, key)) for key in keys):
        raise MomentryError("not_found", GONE)
    return found


def is_wanted(found: Subscription) -> bool:
    return not Unsubscription.objects.filter(**found._asdict()).exists()


@transaction.atomic
def unsubscribe(found: Subscription, *, actor: str) -> bool:
    """False when it was called off before."""
    _, is_new = Unsubscription.objects.get_or_create(**found._asdict())
    if is_new:
        record(Kind.MEMBER_UNSUBSCRIBED, actor=actor, subject=subject(found), topic=found.topic)
    return is_new


@transaction.atomic
def subscribe(found: Subscription, *, actor: str) -> bool:
    """False when it was wanted already."""
    gone, _ = Unsubscription.objects.filter(**found._asdict()).delete()
    if gone:
        record(Kind.MEMBER_SUBSCRIBED, actor=actor, subject=subject(found), topic=found.topic)
    return bool(gone)


def subject(found: Subscription) -> str:
    return f"member:{found.member.hex}"


def choices(member: UUID, topics: Iterable[Topic]) -> dict[str, bool]:
    """Topic by topic: is it wanted?"""
    unwanted = set(Unsubscription.objects.filter(member=member).values_list("topic", flat=True))
    return {topic.value: topic.value not in unwanted for topic in topics}


@transaction.atomic
def choose(member: UUID, wanted: Mapping[Topic, bool], *, actor: str) -> None:
    for topic, wants in wanted.items():
        change = subscribe if wants else unsubscribe
        change(Subscription(member, topic), actor=actor)
