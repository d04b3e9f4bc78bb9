"""Staff as letters reach them (events.audience)."""

from collections.abc import Iterator

from accounts.models import Status, User
from events.audience import Reader


def readers_with(permission: str) -> Iterator[Reader]:
    rows = User.objects.filter(is_staff=True, status=Status.ACTIVE).exclude(email="")
    for user in rows.order_by("pk"):
        if user.has_perm(permission):
            yield Reader(user.email, user.locale, user.pk.hex)
