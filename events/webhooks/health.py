"""What attempts say of their endpoints: who is failing since when, and who is given up."""

import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection

from events.hookmodels import DisabledFor
from events.webhooks.deliveries import Ended
from events.webhooks.services import give_up

logger = logging.getLogger(__name__)

GONE: Final = 410
PATIENCE: Final = timedelta(days=5)
# Nothing was tried for so long: what failed before it says nothing of today.
SILENCE: Final = timedelta(days=2)
# Locked in one order, for another relay may do the same. The first statement writes nothing as long
# as all goes well, but for once a minute.
SUCCEEDED: Final = """
UPDATE events_webhookendpoint SET succeeded_at = statement_timestamp(), failing_since = NULL
 WHERE id IN (
    SELECT id FROM events_webhookendpoint
     WHERE id = ANY(%s::uuid[])
       AND (failing_since IS NOT NULL OR succeeded_at IS NULL
            OR succeeded_at < statement_timestamp() - interval '1 minute')
     ORDER BY id FOR UPDATE)
"""
FAILED: Final = """
UPDATE events_webhookendpoint
   SET failed_at = statement_timestamp(),
       failing_since = CASE WHEN failed_at < statement_timestamp() - make_interval(days => %s)
                            THEN statement_timestamp()
                            ELSE coalesce(failing_since, statement_timestamp()) END
 WHERE id IN (
    SELECT id FROM events_webhookendpoint
     WHERE id = ANY(%s::uuid[]) AND disabled_at IS NULL ORDER BY id FOR UPDATE)
RETURNING id, failing_since <= statement_timestamp() - make_interval(days => %s)
"""


def judge(ended: Sequence[Ended]) -> None:
    """The last word on each endpoint counts."""
    said = {each.claim.endpoint: each for each in ended if each.is_theirs}
    arrived = [endpoint for endpoint, each in said.items() if each.arrived]
    failed = [endpoint for endpoint, each in said.items() if not each.arrived]
    if arrived:
        with connection.cursor() as cursor:
            cursor.execute(SUCCEEDED, [arrived])
    for endpoint in hopeless(failed):
        try_to_give_up(endpoint, DisabledFor.FAILING)
    for endpoint in gone(ended):
        try_to_give_up(endpoint, DisabledFor.GONE)


def try_to_give_up(endpoint: UUID, cause: DisabledFor) -> None:
    """One that cannot be disabled keeps no other from being sent anything."""
    try:
        give_up(endpoint, cause)
    except (OperationalError, InterfaceError):  # the database is away: all of it again
        raise
    except Exception as error:  # the outermost of one endpoint
        given = {"endpoint": str(endpoint), "cause": str(cause), "error": type(error).__name__}
        logger.exception("webhook endpoint not disabled", extra=given)


def hopeless(failed: Sequence[UUID]) -> list[UUID]:
    if not failed:
        return []
    with connection.cursor() as cursor:
        cursor.execute(FAILED, [SILENCE.days, list(failed), PATIENCE.days])
        return [endpoint for endpoint, is_over in cursor.fetchall() if is_over]


def gone(ended: Iterable[Ended]) -> set[UUID]:
    return {each.claim.endpoint for each in ended if each.status == GONE}
