"""What letters are about that nobody needs: each can be called off. Security is no topic."""

from typing import Any, Final

from django.db import models


class Topic(models.TextChoices):
    EXPIRY = "expiry", "keys that are about to expire"
    QUOTA = "quota", "limits and storage that are nearly used up"
    DIGEST = "digest", "the week in numbers (staff)"


OF_LETTERS: Final[dict[str, Topic]] = {}
"""By template; those that are not here are sent whatever somebody wants to hear."""


def of_members() -> list[Topic]:
    return [Topic.EXPIRY, Topic.QUOTA]


def whose(context: dict[str, Any]) -> str:
    """The id of whom a stored letter is to, in hex; "" for an address without an account."""
    return str(context.get("member", ""))
