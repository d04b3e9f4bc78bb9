"""Secrets of endpoints that are exchanged: those of before sign beside the new one for a while."""

import json
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction

from events.hookmodels import WebhookEndpoint
from momentry.common.crypto.errors import EnvelopeError

MOST_FORMER: Final = 5
CROWDED: Final = (
    f"{MOST_FORMER} secrets of before still sign. Wait until the first grace is over, or rotate"
    " with a grace of 0, which ends all of them."
)


def replace_secret(row: WebhookEndpoint, secret: str, now: datetime, grace: timedelta) -> None:
    """Nothing is saved. Those that are over are forgotten, and without a grace all are. What is
    sealed under a key that left the ring signs no more anyway."""
    kept: list[tuple[str, datetime]] = []
    if grace:
        with suppress(EnvelopeError):
            kept.append((str(row.secret), now + grace))
        with suppress(EnvelopeError):
            kept.extend(row.formers(now))
    row.keep_formers(kept[:MOST_FORMER])
    row.secret = secret


def count_formers(row: WebhookEndpoint, now: datetime) -> int:
    try:
        return len(row.formers(now))
    except EnvelopeError:
        return 0


def forget_formers(now: datetime) -> int:
    """Secrets whose grace is over are removed: of how many endpoints."""
    rows = WebhookEndpoint.objects.filter(former_until__isnull=False)
    return sum(forget_some(pk, now) for pk in list(rows.values_list("pk", flat=True)))


@transaction.atomic
def forget_some(pk: UUID, now: datetime) -> bool:
    row = WebhookEndpoint.objects.select_for_update().filter(pk=pk).first()
    if row is None or row.former_until is None:
        return False
    try:
        known, kept = len(json.loads(str(row.former_secrets))), row.formers(now)
    except EnvelopeError:  # its key left the ring: it signs no more
        known, kept = 1, []
    if len(kept) == known:
        return False
    row.keep_formers(kept)
    row.save(update_fields=["former_secrets", "former_until"])
    return True
