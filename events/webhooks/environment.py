"""The endpoint of the environment has a row that follows WEBHOOK_URL and WEBHOOK_SECRET: at each
start it is made, changed or switched off. A secret that was exchanged signs for a while beside the
new one, as after a rotation."""

import logging
from typing import Final

from django.db import connection, transaction
from django.utils import timezone

from events.hookmodels import DisabledFor, WebhookEndpoint
from events.kinds import Kind
from events.webhooks.config import GivenEndpoint
from events.webhooks.facts import facts
from events.webhooks.filters import ALL
from events.webhooks.secrets import replace_secret
from events.webhooks.services import (
    GRACE,
    keep,
    note,
    note_change,
    note_switch,
    switch,
)
from momentry.common.crypto.errors import EnvelopeError

logger = logging.getLogger(__name__)

ACTOR: Final = "environment"
LOCK: Final = 0x776562686F6F6B73  # "webhooks" in ASCII
DESCRIPTION: Final = "WEBHOOK_URL"


@transaction.atomic
def follow_environment(given: GivenEndpoint | None) -> bool:
    """However many processes start at once. False: there was nothing to do."""
    if given is None and not WebhookEndpoint.objects.filter(is_environment=True).exists():
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    row = WebhookEndpoint.objects.select_for_update().filter(is_environment=True).first()
    if given is None:
        return row is not None and row.disabled_for != DisabledFor.UNSET and switch_off(row)
    if row is None:
        make(given)
        return True
    return follow(row, given)


def switch_off(row: WebhookEndpoint) -> bool:
    """What waits for it is kept: perhaps only this start was without the variable. Whatever it was
    disabled for before: an endpoint that nobody names may be deleted."""
    logger.info("WEBHOOK_URL is not set: its endpoint is disabled", extra={"was": row.disabled_for})
    row.disabled_at, row.disabled_for = timezone.now(), DisabledFor.UNSET
    keep(row)
    note_switch(row, ACTOR)
    return True


def make(given: GivenEndpoint) -> None:
    row = WebhookEndpoint(**given._asdict(), kinds=[ALL], description=DESCRIPTION)
    row.is_environment = True
    row.full_clean()
    row.save()
    note(Kind.WEBHOOK_CREATED, row, ACTOR, host=row.host, kinds=row.kinds)


def follow(row: WebhookEndpoint, given: GivenEndpoint) -> bool:
    if is_back := comes_back(row, given):
        logger.info("the endpoint of WEBHOOK_URL is enabled", extra={"was": row.disabled_for})
        switch(row, timezone.now())
    fields = []
    was = facts(row, ("secret", "url"))
    if opened(row, "url") != given.url:
        row.url = given.url
        row.succeeded_at = row.failed_at = row.failing_since = None
        fields.append("url")
    if opened(row, "secret") != given.secret:
        replace_secret(row, given.secret, timezone.now(), GRACE)
        fields.append("secret")
    if fields or is_back:
        keep(row)
    note_change(row, ACTOR, {name: was[name] for name in sorted(fields)})
    if is_back:
        note_switch(row, ACTOR)
    return bool(fields) or is_back


def comes_back(row: WebhookEndpoint, given: GivenEndpoint) -> bool:
    """The variable is set again, or names another place than the one that was gone or failed. What
    staff disabled, staff enable."""
    was_given_up = row.disabled_for in {DisabledFor.GONE, DisabledFor.FAILING}
    return row.disabled_for == DisabledFor.UNSET or (
        was_given_up and opened(row, "url") != given.url
    )


def opened(row: WebhookEndpoint, name: str) -> str | None:
    try:
        return str(getattr(row, name))
    except EnvelopeError:
        return None
