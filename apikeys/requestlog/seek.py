"""Which rows of the request log a question is about: hundreds of millions, so none is sought where
the time already says that it is not there."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Q

# An id is made as its request arrives (UUIDv7): the row's time is near the time inside the id.
SLACK: Final = timedelta(minutes=1)
NONE: Final = Q(pk__in=[])


def near(wanted: UUID) -> Q:
    """The row of this id, sought in two minutes of the log only; none for ids not ours."""
    if wanted.version != 7:
        return NONE
    try:
        at = datetime.fromtimestamp((wanted.int >> 80) / 1000, UTC)
        return Q(pk=wanted, ts__gte=at - SLACK, ts__lte=at + SLACK)
    except (ValueError, OverflowError):  # 48 bits of milliseconds reach past the year 9999
        return NONE
