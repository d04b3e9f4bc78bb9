"""Reads 32-byte secret keys from text and refuses weak ones. Standard library only."""

import base64
import binascii
import itertools
from typing import Final

from momentry.common.env import fail

KEY_BYTES: Final = 32
MIN_DISTINCT: Final = 16
"""Of 32 random bytes fewer than 16 differ once in 10^14 keys; of typed ones nearly always."""


def decode_key(text: str, *, variable: str, label: str) -> bytes:
    """32 bytes from urlsafe base64 (44 characters).

    Raises ConfigurationError, which names the variable and the label ("key 2"), never the text.
    """
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii"))
    except (binascii.Error, UnicodeEncodeError):
        fail(variable, f"holds a {label} that is not urlsafe base64.")
    if base64.urlsafe_b64encode(raw).decode() != text:  # b64decode skips foreign characters
        fail(variable, f"holds a {label} that is not urlsafe base64.")
    if len(raw) != KEY_BYTES:
        fail(variable, f"holds a {label} of {len(raw)} bytes; it must have {KEY_BYTES}.")
    if is_weak(raw):
        fail(variable, f"holds a {label} that is not random; make one with generate_secret.")
    return raw


def encode_key(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def is_weak(raw: bytes) -> bool:
    """Few distinct bytes, printable text, or one constant step from byte to byte."""
    steps = {(b - a) % 256 for a, b in itertools.pairwise(raw)}
    printable = all(0x20 <= byte < 0x7F for byte in raw)
    return len(set(raw)) < MIN_DISTINCT or printable or len(steps) == 1
