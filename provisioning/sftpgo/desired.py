"""What SFTPGo should say of a member, and what has to change there. No input, no output."""

import re
from typing import Any, Final, NamedTuple

from accounts.models import Status, User
from provisioning.models import SftpgoAccount

ENABLED: Final = 1
DISABLED: Final = 0
MARK: Final = re.compile(r"\bmomentry:([0-9a-f-]{36})\b")
KEPT: Final = ("status", "email", "quota_size", "additional_info")


class Desired(NamedTuple):
    """``quota_size``: bytes, 0 for no bound. ``is_gone``: there is to be no account.
    ``is_adopted``: it was there before, in that home, and nobody's."""

    username: str
    home_dir: str
    status: int
    email: str
    quota_size: int
    owner: str
    is_gone: bool = False
    is_adopted: bool = False


def desired_of(member: User, account: SftpgoAccount) -> Desired:
    return Desired(
        username=account.username,
        home_dir=account.home_dir,
        status=ENABLED if member.status == Status.ACTIVE else DISABLED,
        email=member.email,
        quota_size=quota_of(member.quota_size),
        owner=str(member.pk),
        is_gone=account.unwanted_at is not None,
        is_adopted=account.adopted_at is not None,
    )


def quota_of(size: int | None) -> int:
    """SFTPGo takes 0 for unlimited: who may store nothing gets one byte."""
    return 0 if size is None else max(size, 1)


def owner_of(found: dict[str, Any]) -> str:
    """The member whose account it is, as its additional_info says; "" for nobody of ours."""
    mark = MARK.search(str(found.get("additional_info") or ""))
    return mark[1] if mark else ""


def may_take(found: dict[str, Any], desired: Desired) -> bool:
    """Is it the member's, or may it become so?"""
    owner = owner_of(found)
    if owner or not desired.is_adopted:
        return owner == desired.owner
    return bool(found.get("home_dir") == desired.home_dir)


def new_account(desired: Desired) -> dict[str, Any]:
    """SFTPGo's form of an account. No password: the member sets one."""
    return {
        "username": desired.username,
        "home_dir": desired.home_dir,
        "permissions": {"/": ["*"]},
        **fields_of(desired, {}),
    }


def changed(found: dict[str, Any], desired: Desired) -> dict[str, Any]:
    """The whole account as it should be: a PUT replaces all of it, so the rest is sent back."""
    return {**found, **fields_of(desired, found)}


def fields_of(desired: Desired, found: dict[str, Any]) -> dict[str, Any]:
    """Ours. Text that staff wrote beside the mark stays."""
    info = str(found.get("additional_info") or "")
    mark = f"momentry:{desired.owner}"
    if owner_of(found) != desired.owner:
        info = f"{info}\n{mark}" if info else mark
    values = (desired.status, desired.email, desired.quota_size, info)
    return dict(zip(KEPT, values, strict=True))


def differences(found: dict[str, Any], desired: Desired) -> list[str]:
    """Which of our fields are not as they should be."""
    wanted = fields_of(desired, found)
    return [name for name in KEPT if (found.get(name) or "") != (wanted[name] or "")]
