"""The external systems behind a member. None is configured, so there is nothing to bring about."""

from accounts.models import User


def want(member: User) -> None:
    """Bring each configured system to the member's state; part of the caller's transaction."""


def is_done(member: User) -> bool:
    """Has every configured system followed?"""
    return True
