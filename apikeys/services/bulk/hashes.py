"""Hashes of other systems' secrets as an import file gives them: read strictly, stored as found.

``{"format": "sk-auto-", "sha256": "<64 hex>"}`` or
``{"format": "pk_live_", "argon2id": "$argon2id$…", "prefix": "pk_live_Ab12Cd"}``. Pure.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from apikeys import foreign, phc
from apikeys.services.wanted import refuse
from momentry.common.veil import veils

AT: Final = "secret_hash"
SHA256: Final = {"format", "sha256"}
ARGON2ID: Final = {"format", "argon2id", "prefix"}
SHOWN: Final = re.compile(r"[\x21-\x7e]+", re.ASCII)


@veils("digest")
class ForeignHash(NamedTuple):
    """The columns of a ForeignSecret. ``pointer``: what to name when it is there already."""

    format: str
    lookup: str
    digest: str
    pointer: str

    @property
    def is_text(self) -> bool:
        """Found by its first characters, which several secrets may share."""
        return self.pointer.endswith("argon2id")

    @property
    def mask(self) -> str:
        """What lists show of a key that this opens."""
        return f"{self.format}…****"


def read_hash(given: Any) -> ForeignHash:
    """MomentryError invalid_input, without a word of what the hash was."""
    if not isinstance(given, Mapping) or set(given) not in (SHA256, ARGON2ID):
        refuse(AT, "must be of format and sha256, or of format, argon2id and prefix")
    for name, value in given.items():
        if not isinstance(value, str):
            refuse(f"{AT}/{name}", "must be text")
    if not foreign.is_format(given["format"]):
        refuse(f"{AT}/format", "must be 3 to 16 of 0-9 A-Z a-z _ -, and no prefix of our own")
    return sha256(given) if "sha256" in given else argon2id(given)


def sha256(given: Mapping[str, str]) -> ForeignHash:
    value = given["sha256"].lower()
    try:
        digest = foreign.sha256_digest(value)
    except ValueError:
        refuse(f"{AT}/sha256", "must be 64 hexadecimal digits")
    return ForeignHash(given["format"], foreign.sha256_lookup(value), digest, f"{AT}/sha256")


def argon2id(given: Mapping[str, str]) -> ForeignHash:
    prefix = given["prefix"]
    try:
        lookup = foreign.text_lookup(prefix)
        phc.parse(given["argon2id"])
    except ValueError:
        refuse(f"{AT}/prefix", "must be the first 8 to 20 characters of the secret")
    except phc.InvalidPhc:
        refuse(f"{AT}/argon2id", PHC)
    if not prefix.startswith(given["format"]) or not SHOWN.fullmatch(prefix):
        refuse(f"{AT}/prefix", "must begin with the format and be printable ASCII without blanks")
    return ForeignHash(given["format"], lookup, given["argon2id"], f"{AT}/argon2id")


PHC: Final = (
    f"must be an argon2id PHC string, v=19, m <= {phc.MAX_MEMORY_KIB}, t <= {phc.MAX_TIME}, "
    f"p <= {phc.MAX_PARALLELISM}, at most {phc.MAX_LENGTH} characters"
)
