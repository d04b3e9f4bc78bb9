"""Patterns of kinds, by which an endpoint chooses what it is told. Pure; migration 0006 matches
them in the database, and a test holds both alike."""

from typing import Final

from django.core.exceptions import ValidationError

from events.kinds import Kind

ALL: Final = "*"


def takes(pattern: str, kind: str) -> bool:
    """``subject:what``, with * for either side, or * for both."""
    subject, _, what = kind.partition(":")
    return pattern in {kind, f"{subject}:{ALL}", f"{ALL}:{what}", ALL}


def validate_pattern(text: str) -> None:
    """One that takes nothing there is would be a slip of the pen that nobody notices."""
    if not any(takes(text, kind) for kind in Kind):
        raise ValidationError(f"{text[:60]!r} stands for no kind of event.")
