"""The text of a key: mint it, read it, mask it. Pure; digests and rows are elsewhere.

``muser_{uuid}_{timestamp}_{random}_{user_hash}{crc}``: the uuid is the public key id (32 hex),
the timestamp base36 seconds of issue, 43 base62 characters carry 256 random bits, user_hash is
6 base62 characters and the last 6 are CRC-32 (base62) of everything before them, so that a typo
is refused without a query. Layout and checksum follow GitHub's tokens.
"""

import hashlib
import hmac
import re
import secrets
import zlib
from functools import lru_cache
from typing import Final, NamedTuple
from uuid import UUID

BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PREFIXES: Final = ("muser", "mtrial", "msvc", "madm")
RANDOM_LENGTH: Final = 43
SUFFIX_LENGTH: Final = 6
MAX_LENGTH: Final = 128
PAIRS: Final = tuple(high + low for high in BASE62 for low in BASE62)
PAIR: Final = 62 * 62

PATTERN: Final = re.compile(
    rf"({'|'.join(PREFIXES)})_([0-9a-f]{{32}})_[0-9a-z]{{1,8}}_[0-9A-Za-z]{{{RANDOM_LENGTH}}}_"
    rf"[0-9A-Za-z]{{{SUFFIX_LENGTH}}}([0-9A-Za-z]{{{SUFFIX_LENGTH}}})",
    re.ASCII,
)


class ParsedKey(NamedTuple):
    prefix: str
    key_id: UUID


def mint(prefix: str, key_id: UUID, *, owner: str, pepper: bytes, at: int) -> str:
    """A new secret. ``at``: Unix seconds; ``owner``: member id or service name."""
    random = "".join(secrets.choice(BASE62) for _ in range(RANDOM_LENGTH))
    body = f"{prefix}_{key_id.hex}_{base36(at)}_{random}_{owner_hash(owner, pepper)}"
    return body + checksum(body)


def parse(text: str) -> ParsedKey | None:
    """The key id if form and checksum hold, else None. Says nothing about the secret."""
    if len(text) > MAX_LENGTH:
        return None
    match = PATTERN.fullmatch(text)
    if match is None:
        return None
    prefix, key_id, crc = match.groups()
    if checksum(text[:-SUFFIX_LENGTH]) != crc:
        return None
    return ParsedKey(prefix, key_id_of(key_id))


@lru_cache(maxsize=16_384)
def key_id_of(digits: str) -> UUID:
    """Of keys that come again and again; a UUID is slow to make."""
    return UUID(hex=digits)


def mask(prefix: str, key_id: UUID) -> str:
    """What lists show: ``muser_1a2b3c4d…****``."""
    return f"{prefix}_{key_id.hex[:8]}…****"


def checksum(body: str) -> str:
    high, low = divmod(zlib.crc32(body.encode("ascii")), PAIR)
    return f"{PAIRS[high // PAIR]}{PAIRS[high % PAIR]}{PAIRS[low]}"


def owner_hash(owner: str, pepper: bytes) -> str:
    digest = hmac.digest(pepper, owner.encode(), hashlib.sha256)
    return base62(int.from_bytes(digest[:8], "big") % 62**SUFFIX_LENGTH, SUFFIX_LENGTH)


def base62(number: int, width: int) -> str:
    text = ""
    while number:
        number, rest = divmod(number, 62)
        text = BASE62[rest] + text
    return text.rjust(width, "0")


def base36(number: int) -> str:
    text = ""
    while number:
        number, rest = divmod(number, 36)
        text = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + text
    return text or "0"
