"""How GitHub's secret scanning signs, and whoever sends as it does: ECDSA over P-256 with SHA-256,
DER in base64, over the raw body. Pure.

docs.github.com/en/code-security/secret-scanning/secret-scanning-partner-program
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

PublicKey = ec.EllipticCurvePublicKey
MOST_KEYS: Final = 100
LONGEST_SIGNATURE: Final = 200
ALGORITHM: Final = ec.ECDSA(SHA256())


class BadKeysError(ValueError):
    """What should be a list of public keys is none."""


def read_keys(document: Any) -> dict[str, PublicKey]:
    """``{"public_keys": [{"key_identifier", "key"}]}`` by identifier, without keys of other kinds,
    which sign nothing here. Raises BadKeysError when it is no such list."""
    entries = document.get("public_keys") if isinstance(document, Mapping) else None
    if not isinstance(entries, list) or len(entries) > MOST_KEYS:
        raise BadKeysError
    found = (read_entry(entry) for entry in entries)
    return {name: key for name, key in found if key is not None}


def read_entry(entry: Any) -> tuple[str, PublicKey | None]:
    """None for a key that is not of P-256."""
    if not isinstance(entry, Mapping):
        raise BadKeysError
    name, text = entry.get("key_identifier"), entry.get("key")
    if not isinstance(name, str) or not name or not isinstance(text, str):
        raise BadKeysError
    try:
        key = load_pem_public_key(text.encode())
    except UnsupportedAlgorithm:
        return name, None
    except ValueError:
        raise BadKeysError from None
    if not isinstance(key, PublicKey) or not isinstance(key.curve, ec.SECP256R1):
        return name, None
    return name, key


def is_signed(key: PublicKey, signature: str, body: bytes) -> bool:
    if len(signature) > LONGEST_SIGNATURE:
        return False
    try:
        key.verify(base64.b64decode(signature, validate=True), body, ALGORITHM)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
