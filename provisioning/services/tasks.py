"""The external systems behind a member. None is configured, so there is nothing to bring about."""

from accounts.models import User


def want(member: User) -> None:
    """Bring each configured system to the member's state; part of the caller's transaction."""


def want_gone(member: User) -> None:
    """As want, at the member's purge: nothing of it is to be left in them but its name and home."""


def is_done(member: User) -> bool:
    """Has every configured system followed?"""
    return True
