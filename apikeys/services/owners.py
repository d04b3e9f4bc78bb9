"""Letters to a key's owner."""

from collections.abc import Collection
from typing import Any, Final

from accounts.models import LIVE, Status, User
from apikeys.models import ApiKey
from events import mail

__all__ = ["ACTIVE", "LIVE", "write_to", "write_to_owner"]

ACTIVE: Final = (Status.ACTIVE,)
"""Nobody else by default. Never a pending member, whose address may be somebody else's."""


def write_to_owner(
    key: ApiKey, template: str, *, among: Collection[str] = ACTIVE, **context: Any
) -> None:
    """Nothing where there is no owner, or none in these states, or no address."""
    if key.owner is not None:
        write_to(key.owner, template, among=among, key=key.pk.hex, **context)


def write_to(
    member: User, template: str, *, among: Collection[str] = ACTIVE, **context: Any
) -> None:
    if member.status in among and member.email:
        mail.queue(
            template,
            recipient=member.email,
            locale=member.locale,
            member=member.pk.hex,
            **context,
        )
