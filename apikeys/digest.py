"""What is stored of a secret: HMAC-SHA256 under a numbered pepper (ASVS 5.0 §6.5.2: 256 random
bits need no slow hash). Pure; the text form is ``hmac-sha256$<pepper number>$<hex>``.
"""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import Final

from momentry.common.env import Environment, fail

SCHEME: Final = "hmac-sha256"
VARIABLE: Final = "API_KEY_PEPPERS"
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
        match = FORM.fullmatch(stored)
        pepper = self.by_number.get(int(match[1])) if match else None
        if match is None or pepper is None:
            raise CorruptDigest
        value = hmac.digest(pepper, secret.encode(), hashlib.sha256)
        return hmac.compare_digest(value, bytes.fromhex(match[2]))


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
