"""Bring one account to its desired state, whatever it is now; safe to do again at any point."""

from time import monotonic
from typing import Any, Final

from provisioning.sftpgo.client import Blame, NameTakenError, Sftpgo, SftpgoError
from provisioning.sftpgo.desired import (
    DISABLED,
    Desired,
    changed,
    differences,
    may_take,
    new_account,
    owner_of,
)

SLOW: Final = "SFTPGo is too slow."
FOREIGN: Final = "The name belongs to another account in SFTPGo: adopt it or rename it there."


def bring(sftpgo: Sftpgo, desired: Desired, end: float) -> None:
    """Raises SftpgoError. Nothing is changed after ``end`` (``monotonic()``): by then another may
    have begun, with a newer state."""
    found = sftpgo.find(desired.username)
    check_time(end)
    if desired.is_gone:
        remove(sftpgo, desired, found)
        return
    if found is None:
        found = create(sftpgo, desired)
    if found is not None:
        check_time(end)
        change(sftpgo, desired, found)


def check_time(end: float) -> None:
    if monotonic() >= end:
        raise SftpgoError(Blame.SYSTEM, SLOW)


def remove(sftpgo: Sftpgo, desired: Desired, found: dict[str, Any] | None) -> None:
    """Only what is ours: whoever has the name there now keeps it."""
    if found is not None and owner_of(found) == desired.owner:
        sftpgo.delete(desired.username)


def create(sftpgo: Sftpgo, desired: Desired) -> dict[str, Any] | None:
    """None when it was created now; else the account that came in between."""
    try:
        sftpgo.create(new_account(desired))
    except NameTakenError:
        if (found := sftpgo.find(desired.username)) is None:
            raise
        return found
    return None


def change(sftpgo: Sftpgo, desired: Desired, found: dict[str, Any]) -> None:
    """Whoever is disabled is cut off each time: the answer to a request that did it may have been
    lost, and a session outlives a change that somebody else made."""
    if not may_take(found, desired):
        raise SftpgoError(Blame.REQUEST, FOREIGN)
    is_disabled = desired.status == DISABLED
    if is_disabled or differences(found, desired):
        sftpgo.replace(changed(found, desired), disconnect=is_disabled)
