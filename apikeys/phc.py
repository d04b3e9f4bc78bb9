"""Argon2id hashes as PHC strings (github.com/P-H-C/phc-string-format), read strictly.

Pure but for the salt. RFC 9106 names the algorithm; what is more costly than the limits below, or
written in a second way, is refused before any of it is computed.
"""

import base64
import hmac
import re
import secrets
from typing import Final, NamedTuple

from argon2.low_level import ARGON2_VERSION, Type, hash_secret_raw

from momentry.common.veil import veils

MAX_LENGTH: Final = 200
MAX_MEMORY_KIB: Final = 65_536
MAX_TIME: Final = 10
MAX_PARALLELISM: Final = 4
MEMORY_PER_LANE_KIB: Final = 8  # RFC 9106 §3.1: at least eight blocks a lane
SALT_BYTES: Final = range(8, 65)
HASH_BYTES: Final = range(16, 65)

BEGIN: Final = "$argon2id$"
FORM: Final = re.compile(
    r"\$argon2id\$v=19\$m=([1-9][0-9]{0,4}),t=([1-9][0-9]?),p=([1-9])"
    r"\$([0-9A-Za-z+/]{11,86})\$([0-9A-Za-z+/]{22,86})",
    re.ASCII,
)


class InvalidPhc(Exception):
    """The text is no Argon2id PHC string that we accept."""


class Cost(NamedTuple):
    """What one hash costs."""

    memory_kib: int
    time: int
    parallelism: int


OWN: Final = Cost(19_456, 2, 1)  # OWASP's and DESIGN §4's
OWN_SALT: Final = 16
OWN_HASH: Final = 32


@veils("salt", "hash")
class Phc(NamedTuple):
    memory_kib: int
    time: int
    parallelism: int
    salt: bytes
    hash: bytes

    @property
    def cost(self) -> Cost:
        return Cost(self.memory_kib, self.time, self.parallelism)

    @property
    def is_own(self) -> bool:
        """Is it as ``hashed`` writes it?"""
        return (self.cost, len(self.salt), len(self.hash)) == (OWN, OWN_SALT, OWN_HASH)

    def matches(self, secret: str) -> bool:
        """Takes as long as the hash costs, whatever the secret is."""
        value = compute(secret, self.salt, self.cost, len(self.hash))
        return hmac.compare_digest(value, self.hash)


def parse(text: str) -> Phc:
    """Raises InvalidPhc, whatever the text is."""
    match = FORM.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if match is None:
        raise InvalidPhc
    memory, time, parallelism = int(match[1]), int(match[2]), int(match[3])
    if memory > MAX_MEMORY_KIB or time > MAX_TIME or parallelism > MAX_PARALLELISM:
        raise InvalidPhc
    if memory < MEMORY_PER_LANE_KIB * parallelism:
        raise InvalidPhc
    return Phc(
        memory, time, parallelism, decode(match[4], SALT_BYTES), decode(match[5], HASH_BYTES)
    )


def render(phc: Phc) -> str:
    costs = f"m={phc.memory_kib},t={phc.time},p={phc.parallelism}"
    return f"{BEGIN}v=19${costs}${encode(phc.salt)}${encode(phc.hash)}"


def hashed(secret: str) -> str:
    """A new PHC string of this secret, at our own cost."""
    salt = secrets.token_bytes(OWN_SALT)
    return render(Phc(*OWN, salt, compute(secret, salt, OWN, OWN_HASH)))


def compute(secret: str, salt: bytes, cost: Cost, length: int) -> bytes:
    return hash_secret_raw(
        secret.encode("utf-8", "surrogatepass"),
        salt,
        time_cost=cost.time,
        memory_cost=cost.memory_kib,
        parallelism=cost.parallelism,
        hash_len=length,
        type=Type.ID,
        version=ARGON2_VERSION,
    )


def decode(text: str, lengths: range) -> bytes:
    """Base64 without padding, in its one canonical form."""
    if len(text) % 4 == 1:
        raise InvalidPhc
    value = base64.b64decode(text + "=" * (-len(text) % 4))
    if len(value) not in lengths or encode(value) != text:
        raise InvalidPhc
    return value


def encode(value: bytes) -> str:
    return base64.b64encode(value).decode().rstrip("=")
