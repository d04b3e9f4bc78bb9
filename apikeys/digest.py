"""What is stored of a secret: HMAC-SHA256 under a numbered pepper (ASVS 5.0 §6.5.2: 256 random
bits need no slow hash). Pure; the text form is ``hmac-sha256$<pepper number>$<hex>``.
"""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from momentry.common.env import Environment, fail

SCHEME: Final = "hmac-sha256"
VARIABLE: Final = "API_KEY_PEPPERS"
BLOCK: Final = 64  # bytes, SHA-256's
INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))
FORM: Final = re.compile(rf"{SCHEME}\$(\d{{1,9}})\$([0-9a-f]{{64}})", re.ASCII)


class CorruptDigest(Exception):
    """A stored digest that cannot be one: an alarm for staff, for the caller an invalid key."""


@dataclass(frozen=True, slots=True)
class Peppers:
    """Peppers by number; the first given signs, all verify."""

    newest: int
    by_number: dict[int, bytes] = field(repr=False)

    @classmethod
    def from_text(cls, text: str) -> "Peppers":
        """``number:base64,…``, newest first, 32 bytes each; ConfigurationError if not so."""
        found: dict[int, bytes] = {}
        for item in text.split(","):
            number, pepper = read_pepper(item.strip())
            if number in found:
                fail(VARIABLE, "gives one number twice.")
            found[number] = pepper
        return cls(next(iter(found)), found)

    @property
    def signing(self) -> bytes:
        return self.by_number[self.newest]

    def digest(self, secret: str) -> str:
        value = hmac.digest(self.signing, secret.encode(), hashlib.sha256)
        return f"{SCHEME}${self.newest}${value.hex()}"

    def matches(self, secret: str, stored: str) -> bool:
        """Constant-time in the secret. CorruptDigest when the stored text is no digest of ours."""
        number, expected = read_stored(stored)
        pepper = self.by_number.get(number)
        if pepper is None:
            raise CorruptDigest
        return hmac.compare_digest(hmac_sha256(pepper, secret.encode()), expected)


@lru_cache(maxsize=16_384)
def read_stored(stored: str) -> tuple[int, bytes]:
    """(pepper's number, digest); keys come again and again."""
    match = FORM.fullmatch(stored)
    if match is None:
        raise CorruptDigest
    return int(match[1]), bytes.fromhex(match[2])


def hmac_sha256(key: bytes, text: bytes) -> bytes:
    """RFC 2104 from halves that are made once per pepper: hmac.digest() looks its algorithm up
    each time, which costs four times as much as the hashing."""
    inner, outer = halves(key)
    inner, outer = inner.copy(), outer.copy()
    inner.update(text)
    outer.update(inner.digest())
    return outer.digest()


@lru_cache(maxsize=16)
def halves(key: bytes) -> tuple["hashlib._Hash", "hashlib._Hash"]:
    """What HMAC hashes before the text."""
    block = key if len(key) <= BLOCK else hashlib.sha256(key).digest()
    padded = block.ljust(BLOCK, b"\0")
    return hashlib.sha256(padded.translate(INNER)), hashlib.sha256(padded.translate(OUTER))


def read_pepper(item: str) -> tuple[int, bytes]:
    number, colon, encoded = item.partition(":")
    if not colon or not number.isascii() or not number.isdigit():
        fail(VARIABLE, "must be a list of number:base64, such as generate_secret pepper prints.")
    try:
        pepper = base64.b64decode(encoded, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        fail(VARIABLE, "holds a pepper that is not base64.")
    if len(pepper) < 32 or len(set(pepper)) < 8:
        fail(VARIABLE, "holds a pepper of less than 32 random bytes.")
    return int(number), pepper


def read_peppers(env: Environment | None = None) -> Peppers:
    return Peppers.from_text((env or Environment()).text(VARIABLE))
