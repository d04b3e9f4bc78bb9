"""The form in which secrets are stored now (API_KEY_HASHER). Pure but for Argon2id's salt."""

from typing import Final

from apikeys import phc
from apikeys.digest import SCHEME, Peppers
from momentry.common.env import Environment

VARIABLE: Final = "API_KEY_HASHER"
HMAC: Final = SCHEME
ARGON2ID: Final = "argon2id"
HASHERS: Final = (HMAC, ARGON2ID)


def read_hasher(environment: Environment) -> str:
    """Raises ConfigurationError, which names the variable."""
    return environment.choice(VARIABLE, HMAC, HASHERS)


def digest(secret: str, hasher: str, peppers: Peppers) -> str:
    """What is stored of this secret. Argon2id takes tens of milliseconds."""
    return phc.hashed(secret) if hasher == ARGON2ID else peppers.digest(secret)


def is_current(stored: str, hasher: str, peppers: Peppers) -> bool:
    """Is a sound digest as ``digest`` would write it now?"""
    if hasher == ARGON2ID:
        return stored.startswith(phc.BEGIN) and phc.parse(stored).is_own
    return stored.startswith(f"{SCHEME}${peppers.newest}$")
