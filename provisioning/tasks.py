"""Scheduled work (CELERY_BEAT_SCHEDULE): thin over the services that the commands call."""

import logging
from collections import Counter
from typing import Final

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from apikeys.tasks import Daily
from provisioning.services import members, token_checks
from provisioning.services.reconcile import Order, ReconcileError, chosen
from provisioning.tokens.models import State

logger = logging.getLogger(__name__)
ACTOR: Final = "schedule"


@shared_task(base=Daily)
def reconcile() -> None:
    """Members against every configured system; what is found is counted by kind."""
    for each in chosen():
        found: Counter[str] = Counter()
        try:
            found.update(finding.what for finding in each.run(Order(actor=ACTOR)))
        except ReconcileError as error:
            logger.warning("not reconciled", extra={"system": each.name, "error": str(error)})
        counts = ", ".join(f"{count} {what}" for what, count in sorted(found.items()))
        logger.info("Reconciled %s: %s.", each.name, counts or "no drift")


@shared_task(base=Daily)
def purge_members() -> None:
    """Personal data of members who were deleted MEMBER_PURGE_DAYS ago."""
    count = members.purge_members(timezone.now(), settings.MEMBER_PURGE_AFTER, actor=ACTOR)
    logger.info("Purged %d members.", count)


@shared_task(base=Daily)
def resolve_pending() -> None:
    """Pending members whose name became free while nobody could look: a process was killed."""
    logger.info("Resolved %d pending members.", members.resolve_waiting(actor=ACTOR))


@shared_task(base=Daily)
def verify_tokens() -> None:
    """Each external token is shown to its provider."""
    states = token_checks.verify_tokens(actor=ACTOR)
    logger.info("Verified %d external tokens, %d broken.", states.total(), states[State.BROKEN])
