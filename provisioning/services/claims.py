"""Claim links: how a member fetches a key's secret once. The link's token is stored nowhere."""

import base64
import binascii
import hashlib
import hmac
import secrets
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from apikeys.models import ApiKey
from apikeys.services.keys import IssuedKey, issue_secret
from events.kinds import Kind
from events.services import record
from momentry.common.crypto.keyring import get_ring
from momentry.common.errors import MomentryError
from provisioning.models import Chance, ClaimLink
from provisioning.services.passwords import can_set_password, set_password
from provisioning.sftpgo.client import SftpgoError

PURPOSE = "claim link"
GONE = "This link is not valid any more."


@transaction.atomic
def make_claim(key: ApiKey, *, actor: str) -> ClaimLink:
    """A new link; it voids the key's older ones. MomentryError conflict if the key has a secret."""
    if key.is_claimed:
        raise MomentryError("conflict", "This key was claimed already; rotate it instead.")
    return new_link(key, Chance.KEY, actor=actor)


@transaction.atomic
def make_password_claim(key: ApiKey, *, actor: str) -> ClaimLink:
    """A link for the SFTP password of the key's owner alone; it voids the older ones."""
    return new_link(key, Chance.PASSWORD, actor=actor)


def new_link(key: ApiKey, chance: Chance, *, actor: str) -> ClaimLink:
    now = timezone.now()
    key.claims.filter(chance=chance, used_at=None, voided_at=None).update(voided_at=now)
    link = ClaimLink.objects.create(
        key=key,
        chance=chance,
        nonce=secrets.token_hex(16),
        expires_at=now + settings.CLAIM_LINK_TTL,
    )
    record(Kind.CLAIM_CREATED, actor=actor, subject=f"key:{key.pk.hex}", chance=chance)
    return link


def claim_url(link: ClaimLink) -> str:
    return f"{settings.PUBLIC_URL}/claim/{token_of(link, get_ring().derive(PURPOSE))}"


def token_of(link: ClaimLink, key: bytes) -> str:
    """16 bytes of link id and 32 of HMAC-SHA256 over id and nonce, base64url: 64 characters."""
    signature = hmac.digest(key, link.pk.bytes + link.nonce.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(link.pk.bytes + signature).decode()


def find_claim(token: str) -> ClaimLink:
    """The open link of a token; MomentryError not_found for every other token, all alike."""
    link = ClaimLink.objects.select_related("key__owner").filter(pk=link_id(token)).first()
    if link is None or not is_token_of(token, link) or not is_good(link):
        raise MomentryError("not_found", GONE)
    return link


def is_good(link: ClaimLink) -> bool:
    """Open, and there is still something to get: the page must not offer what POST refuses."""
    key = link.key
    if link.chance == Chance.PASSWORD:
        waits = can_set_password(key.owner)
    else:
        waits = not key.is_claimed and key.revoked_at is None and key.quarantined_at is None
    return waits and link.is_open(timezone.now())


def link_id(token: str) -> UUID:
    try:
        raw = base64.b64decode(token.encode("ascii"), b"-_", validate=True)
        return UUID(bytes=raw[:16])
    except (ValueError, binascii.Error):
        raise MomentryError("not_found", GONE) from None


def is_token_of(token: str, link: ClaimLink) -> bool:
    """Links outlive a rotation of the ring: any of its keys may have made them."""
    keys = get_ring().derive_all(PURPOSE)
    return any(hmac.compare_digest(token, token_of(link, key)) for key in keys)


@transaction.atomic
def claim_key(token: str) -> IssuedKey:
    """Use the link and give the key its secret. Of two at once exactly one gets it."""
    link = find_claim(token)
    use(link, Chance.KEY)
    secret = issue_secret(link.key)
    record(Kind.APIKEY_CLAIMED, actor=actor_of(link), subject=f"key:{link.key_id.hex}")
    return IssuedKey(link.key, secret)


def use(link: ClaimLink, chance: Chance) -> None:
    """MomentryError not_found when it was used meanwhile, or is for something else."""
    rows = ClaimLink.objects.filter(pk=link.pk, chance=chance, used_at=None, voided_at=None)
    if not rows.update(used_at=timezone.now()):
        raise MomentryError("not_found", GONE)


@sensitive_variables("password")
def claim_password(token: str, password: str) -> None:
    """Use the link to set its member's SFTP password. SftpgoError: it was not set, and the link
    is good for another attempt."""
    link = find_claim(token)
    use(link, Chance.PASSWORD)
    owner = link.key.owner
    assert owner is not None  # noqa: S101  is_good asked for one
    try:
        set_password(owner, password, actor=actor_of(link))
    except SftpgoError:
        ClaimLink.objects.filter(pk=link.pk).update(used_at=None)
        raise


def actor_of(link: ClaimLink) -> str:
    owner = link.key.owner_id
    return f"member:{owner.hex}" if owner else "link"
