"""Imported secrets of another system's form: how they are written, found and compared. Pure.

Such a secret holds no key id, so its row (ForeignSecret) is found by ``lookup``. A key that only
foreign secrets open has ``ONLY`` as its ``digest``: it is claimed and usable, and no text of our
own form can open it. Whoever imports sets it.
"""

import hashlib
import hmac
import re
from typing import Final

from apikeys.keyformat import PREFIXES

ONLY: Final = "foreign"
SCHEME: Final = "sha256"
OWN: Final = tuple(f"{prefix}_" for prefix in PREFIXES)
FORMAT: Final = re.compile(r"[0-9A-Za-z_-]{3,16}", re.ASCII)
HEX: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
STORED: Final = re.compile(rf"{SCHEME}\$([0-9a-f]{{64}})", re.ASCII)
SECRET: Final = re.compile(r"[\x21-\x7e]{16,256}", re.ASCII)
LOOKUP_DIGITS: Final = 16
TEXT_LENGTHS: Final = range(8, 21)
UNTOLD: Final = 8  # characters of a secret at least that no look-up names
MAX_CANDIDATES: Final = 8  # rows that share one lookup, and rows compared with one secret


def is_format(text: str) -> bool:
    """May imported secrets begin so? Never with a beginning of our own keys."""
    return FORMAT.fullmatch(text) is not None and not any(
        own.startswith(text) or text.startswith(own) for own in OWN
    )


def is_secret(text: str) -> bool:
    """May the text be an imported secret? Ours never are."""
    return SECRET.fullmatch(text) is not None and not text.startswith(OWN)


def sha256_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def sha256_digest(hexadecimal: str) -> str:
    """How the SHA-256 of a secret is stored; ValueError unless it is 64 digits 0-9a-f."""
    if HEX.fullmatch(hexadecimal) is None:
        raise ValueError("no SHA-256 in hexadecimal")
    return f"{SCHEME}${hexadecimal}"


def sha256_lookup(hexadecimal: str) -> str:
    """Where a secret of this SHA-256 is found (of a text: ``sha256_lookup(sha256_of(text))``)."""
    return f"{SCHEME}:{hexadecimal[:LOOKUP_DIGITS]}"


def text_lookup(prefix: str) -> str:
    """Where a secret that begins so is found; ValueError unless it is 8 to 20 characters."""
    if len(prefix) not in TEXT_LENGTHS:
        raise ValueError("a prefix has 8 to 20 characters")
    return f"text:{prefix}"


def lookups(secret: str) -> list[str]:
    """Everywhere that this secret may be found."""
    room = len(secret) - UNTOLD
    texts = [text_lookup(secret[:length]) for length in TEXT_LENGTHS if length <= room]
    return [sha256_lookup(sha256_of(secret)), *texts]


def matches(secret: str, stored: str) -> bool:
    """Constant-time in the secret; False when the stored text is no SHA-256."""
    found = STORED.fullmatch(stored)
    return found is not None and hmac.compare_digest(sha256_of(secret), found[1])
