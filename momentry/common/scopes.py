"""The one question asked of scopes. Pure; which roles and members hold what is apikeys' matter."""


def holds(scopes: frozenset[str], needed: str) -> bool:
    """``needed`` is ``subject:verb``; ``*`` on either side of a held scope stands for anything."""
    subject, _, verb = needed.partition(":")
    return not scopes.isdisjoint({needed, f"{subject}:*", f"*:{verb}", "*:*"})
