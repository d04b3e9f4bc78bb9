"""Keys without ado: make with what is usual, give the secret, revoke. Plaintext leaves once, as a
return value. Keys to order are in issue.py, their life after that in life.py and rotate.py.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import User
from apikeys import keyformat
from apikeys.gate.scopes import MEMBER_SCOPES, ROLES
from apikeys.models import ApiKey, KeyType, Tier
from apikeys.services.gate import peppers
from apikeys.services.hashing import digest_of
from events.kinds import Kind
from events.services import record
from momentry.common.errors import MomentryError
from momentry.common.veil import veils

TRIAL = "trial"


@veils("secret")
class IssuedKey(NamedTuple):
    """A key and the only copy of its secret."""

    key: ApiKey
    secret: str


@transaction.atomic
def create_member_key(owner: User, *, name: str, actor: str) -> ApiKey:
    """A key without a secret yet: it opens nothing until issue_secret or a claim."""
    key = ApiKey(name=name, owner=owner, scopes=sorted(MEMBER_SCOPES))
    key.expires_at = tier_expiry(owner.tier, key.created_at)
    return save_new(key, actor=actor)


@transaction.atomic
def create_service_key(*, name: str, service_name: str, role: str, actor: str) -> ApiKey:
    """A key for a machine, with the scopes of its role."""
    if role not in ROLES:
        problem = {"detail": f"must be one of {', '.join(ROLES)}", "pointer": "#/role"}
        raise MomentryError("invalid_input", errors=[problem])
    kind = KeyType.ADMIN if role == "admin" else KeyType.SERVICE
    key = ApiKey(name=name, key_type=kind, service_name=service_name, role=role)
    return save_new(key, actor=actor)


def save_new(key: ApiKey, *, actor: str) -> ApiKey:
    key.key_prefix = keyformat.mask(prefix_of(key), key.id)
    key.full_clean()
    key.save()
    record(Kind.APIKEY_CREATED, actor=actor, subject=f"key:{key.id.hex}", name=key.name)
    return key


def prefix_of(key: ApiKey) -> str:
    """``mtrial`` says that the key's own tier is the trial, whatever its member's is."""
    if key.key_type == KeyType.USER:
        return "mtrial" if key.tier_id == TRIAL else "muser"
    return "madm" if key.key_type == KeyType.ADMIN else "msvc"


def mint(key: ApiKey, now: datetime) -> str:
    """A new secret for this key; nothing is stored."""
    return keyformat.mint(
        prefix_of(key),
        key.id,
        owner=key.owner_id.hex if key.owner_id else key.service_name,
        pepper=peppers().signing,
        at=int(now.timestamp()),
    )


def tier_expiry(slug: str, at: datetime) -> datetime | None:
    days = Tier.objects.filter(slug=slug).values_list("key_lifetime_days", flat=True).first()
    return None if days is None else at + timedelta(days=days)


@transaction.atomic
def issue_secret(key: ApiKey) -> str:
    """Mint the secret of an unclaimed key and store its digest. MomentryError conflict if it has
    one already or has ended: of two at once exactly one wins."""
    secret = mint(key, timezone.now())
    changed = ApiKey.objects.filter(
        pk=key.pk, digest=None, revoked_at=None, quarantined_at=None
    ).update(digest=digest_of(secret), version=F("version") + 1)
    if not changed:
        raise MomentryError("conflict", "This key has its secret already, or has ended.")
    return secret


@transaction.atomic
def issue_member_key(owner: User, *, name: str, actor: str) -> IssuedKey:
    key = create_member_key(owner, name=name, actor=actor)
    return IssuedKey(key, issue_secret(key))


@transaction.atomic
def revoke_key(key: ApiKey, *, actor: str) -> bool:
    """End the key for good. False, and no event, when it had ended already."""
    changed = ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(
        revoked_at=timezone.now(), version=F("version") + 1
    )
    if changed:
        record(Kind.APIKEY_REVOKED, actor=actor, subject=f"key:{key.pk.hex}")
    return bool(changed)


@transaction.atomic
def revoke_keys_of(owner: User, *, actor: str) -> int:
    return sum(
        revoke_key(key, actor=actor) for key in ApiKey.objects.filter(owner=owner, revoked_at=None)
    )
