"""Stored digests as tests need them: imported, of another hasher, of an older pepper, damaged."""

import base64
import hashlib

from apikeys import foreign, phc
from apikeys.digest import Peppers
from apikeys.models import ApiKey, ForeignSecret
from apikeys.services import gate
from apikeys.services.keys import create_member_key
from tests import make

FORMAT = "sk-auto-"
SECRET = "sk-auto-Zm9vYmFyYmF6MTIzNDU2Nzg5"
CHEAP = phc.Cost(64, 1, 1)
DAMAGED = [
    "", "garbage", "hmac-sha256$", "hmac-sha256$1$" + "0" * 63, "hmac-sha256$99$" + "0" * 64,
    "hmac-sha256$999999999$" + "0" * 64, "sha256$" + "0" * 63, "$argon2id$v=19$m=64",
    "$argon2id$v=19$m=99999999,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + "A" * 43,
    "$argon2i$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + "A" * 43,
]  # fmt: skip


def argon2id(secret: str, cost: phc.Cost = CHEAP) -> str:
    salt = bytes(range(16))
    return phc.render(phc.Phc(*cost, salt, phc.compute(secret, salt, cost, 32)))


def sha256(secret: str) -> str:
    return foreign.sha256_digest(foreign.sha256_of(secret))


def imported(
    secret: str = SECRET,
    digest: str | None = None,
    *,
    owner: str = "alice",
    lookup: str | None = None,
    begins: str = FORMAT,
) -> ApiKey:
    """A key that only this foreign secret opens; by its SHA-256 unless a digest is given."""
    key = create_member_key(make.member(owner), name="imported", actor=make.ACTOR)
    ApiKey.objects.filter(pk=key.pk).update(digest=foreign.ONLY)
    by_hash = foreign.sha256_lookup(foreign.sha256_of(secret))
    ForeignSecret.objects.create(
        key=key,
        format=begins,
        lookup=lookup or (by_hash if digest is None else foreign.text_lookup(secret[:12])),
        digest=sha256(secret) if digest is None else digest,
    )
    key.refresh_from_db()
    return key


def digest_of(key: ApiKey) -> str | None:
    return ApiKey.objects.values_list("digest", flat=True).get(pk=key.pk)


def older_pepper(secret: str) -> tuple[Peppers, str]:
    """Today's peppers with an older one behind them, and the secret's digest under that."""
    pepper = base64.b64encode(hashlib.sha256(b"an older pepper").digest()).decode()
    old = Peppers.from_text(f"77:{pepper}")
    today = gate.peppers()
    return Peppers(today.newest, {**today.by_number, **old.by_number}), old.digest(secret)
