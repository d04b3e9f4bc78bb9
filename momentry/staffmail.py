"""Letters to staff: to the addresses of STAFF_EMAIL, else to active superusers."""

import logging
from typing import Any, NamedTuple

from django.conf import settings

from accounts.models import Status, User
from events import mail

logger = logging.getLogger(__name__)


class Reader(NamedTuple):
    """``member``: the id of an account, in hex; such a reader can call letters off."""

    address: str
    locale: str = ""
    member: str = ""


def readers() -> list[Reader]:
    if settings.STAFF_EMAIL:
        return [Reader(address) for address in settings.STAFF_EMAIL]
    rows = User.objects.filter(is_staff=True, is_superuser=True, status=Status.ACTIVE)
    return [
        Reader(user.email, user.locale, user.pk.hex)
        for user in rows.exclude(email="").order_by("pk")
    ]


def write_to_staff(template: str, **context: Any) -> int:
    """One letter for each, in the caller's transaction; how many there are. None is warned of."""
    found = readers()
    if not found:
        logger.warning(
            "nobody is written to: STAFF_EMAIL is not set, and no superuser has an address",
            extra={"letter": template},
        )
    for reader in found:
        mail.queue(
            template,
            recipient=reader.address,
            locale=reader.locale,
            member=reader.member,
            **context,
        )
    return len(found)


def name_of(context: dict[str, Any]) -> str:
    """Empty for an address without an account."""
    if not context.get("member"):
        return ""
    user = User.objects.filter(pk=context["member"]).first()
    return (user.display_name or user.username) if user else ""
