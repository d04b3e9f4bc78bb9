"""What is stored of a secret that momentry issues."""

from django.conf import settings

from apikeys import hasher
from apikeys.services.gate import peppers


def digest_of(secret: str) -> str:
    """By API_KEY_HASHER; argon2id takes tens of milliseconds."""
    return hasher.digest(secret, settings.API_KEY_HASHER, peppers())
