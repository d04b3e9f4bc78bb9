"""The key ring: seals text for one table, column and row, and derives keys for other purposes.

An envelope is ``m1.<key id>.<base64url>``: the version, eight characters that tell which ring key
sealed it, and a Fernet token (AES-256-CBC, HMAC-SHA256) over the row's id and the text. Its keys
come from HKDF-SHA256 of the ring key, table and column, so an envelope opens nowhere else.
"""

import base64
import binascii
import functools
from typing import TYPE_CHECKING, Final, NoReturn, Self
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from momentry.common.crypto.errors import TamperedError, UnknownKeyError, WrongRowError
from momentry.common.crypto.material import decode_key
from momentry.common.env import Environment, fail

if TYPE_CHECKING:
    from django_cryptography.utils.crypto import FernetBytes

VARIABLE: Final = "ENCRYPTION_KEY"
VERSION: Final = "m1"
HINT: Final = "Make one with `python3 manage.py generate_secret encryption-key`."


def expand(key: bytes, length: int, *context: str) -> bytes:
    """HKDF-SHA256. The context's parts are joined by NUL, which no name holds."""
    if any("\0" in part for part in context):
        raise ValueError("A derivation context cannot hold NUL.")
    info = "\0".join(("momentry", *context)).encode()
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(key)


def key_id(key: bytes) -> str:
    """Eight characters, safe to publish: a derivation, no part of the key."""
    return base64.urlsafe_b64encode(expand(key, 6, "key-id")).decode()


class KeyRing:
    """Keys, newest first: the first seals, all open. Immutable; safe to share between threads."""

    __slots__ = ("_ciphers", "_keys", "newest")

    def __init__(self, keys: dict[str, bytes]) -> None:
        self._keys = keys
        self._ciphers: dict[tuple[str, str, str], FernetBytes] = {}
        self.newest = next(iter(keys))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Raises ConfigurationError naming ENCRYPTION_KEY for anything but distinct good keys."""
        words = [word.strip() for word in text.split(",") if word.strip()]
        if not words:
            fail(VARIABLE, f"is missing. {HINT}")
        keys: dict[str, bytes] = {}
        for number, word in enumerate(words, start=1):
            raw = decode_key(word, variable=VARIABLE, label=f"key {number}")
            if keys.setdefault(key_id(raw), raw) is not raw:
                fail(VARIABLE, f"holds key {number} twice.")
        return cls(keys)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self._keys)

    def load(self) -> None:
        """Imports the primitives now: Django does so at the start, under its final settings.

        They keep something in the settings when imported; under a test's ``override_settings`` it
        would be gone afterwards.
        """
        self.open(self.seal("", table="", column="", row_id=0), table="", column="", row_id=0)

    def __repr__(self) -> str:
        return f"<KeyRing {', '.join(self._keys)}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A key ring is never pickled or copied.")

    def seal(self, plaintext: str, *, table: str, column: str, row_id: UUID | int | str) -> str:
        """The envelope of a text. Raises ValueError for a lone surrogate or an endless id."""
        row = str(row_id).encode()
        body = len(row).to_bytes(1, "big") + row + plaintext.encode()
        token = self._cipher(self.newest, table, column).encrypt(body)
        return f"{VERSION}.{self.newest}.{base64.urlsafe_b64encode(token).decode().rstrip('=')}"

    def open(self, envelope: str, *, table: str, column: str, row_id: UUID | int | str) -> str:
        """The text. Raises UnknownKeyError, TamperedError or WrongRowError, never returns less."""
        place = f"{table}.{column}"
        ident, token = split(envelope, place)
        if ident not in self._keys:
            raise UnknownKeyError(f"{place} is sealed under key {ident}, which the ring lacks.")
        body = decrypt(self._cipher(ident, table, column), token, place)
        row, text = body[1 : 1 + body[0]], body[1 + body[0] :]
        if row != str(row_id).encode():
            raise WrongRowError(f"The envelope in {place} belongs to another row.")
        return text.decode()

    def is_current(self, envelope: str) -> bool:
        """Was it sealed by the newest key, in today's format? (Looks at the label only.)"""
        return envelope.startswith(f"{VERSION}.{self.newest}.")

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose, of the newest key."""
        return expand(self._keys[self.newest], 32, "purpose", purpose)

    def derive_all(self, purpose: str) -> list[bytes]:
        """Those of every ring key, newest first: make with the first, accept all."""
        return [expand(key, 32, "purpose", purpose) for key in self._keys.values()]

    def _cipher(self, ident: str, table: str, column: str) -> "FernetBytes":
        cipher = self._ciphers.get((ident, table, column))
        if cipher is None:
            from momentry.common.crypto import primitives  # noqa: PLC0415  see its docstring

            material = expand(self._keys[ident], 64, "column", table, column)
            signer = primitives.FernetSigner(material[32:])
            cipher = primitives.FernetBytes(material[:32], signer)
            self._ciphers[ident, table, column] = cipher
        return cipher


def key_of(envelope: str) -> str:
    """The key id an envelope names; "" for what is no envelope."""
    parts = envelope.split(".", 2)
    return parts[1] if len(parts) == 3 and parts[0] == VERSION else ""


def split(envelope: str, place: str) -> tuple[str, bytes]:
    ident = key_of(envelope)
    text = envelope[len(VERSION) + len(ident) + 2 :]
    try:
        token = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (binascii.Error, UnicodeEncodeError):
        token = b""
    # Only the canonical spelling counts: b64decode skips foreign characters and spare bits.
    if not ident or not token or base64.urlsafe_b64encode(token).decode().rstrip("=") != text:
        raise TamperedError(f"{place} holds something that is no envelope.")
    return ident, token


def decrypt(cipher: "FernetBytes", token: bytes, place: str) -> bytes:
    from momentry.common.crypto import primitives  # noqa: PLC0415  see its docstring

    try:
        return bytes(cipher.decrypt(token))
    except (primitives.BadSignature, primitives.InvalidToken):
        raise TamperedError(f"The envelope in {place} was altered or moved.") from None


@functools.cache
def get_ring() -> KeyRing:
    """The process's ring, read from the environment once; ``get_ring.cache_clear()`` in tests."""
    return KeyRing.from_text(Environment().text(VARIABLE, ""))
