"""Scheduled work (CELERY_BEAT_SCHEDULE): thin over the services that the commands call."""

import logging
from collections import Counter

from celery import shared_task

from apikeys.tasks import Daily
from provisioning.services.reconcile import Order, ReconcileError, chosen

logger = logging.getLogger(__name__)


@shared_task(base=Daily)
def reconcile() -> None:
    """Members against every configured system; what is found is counted by kind."""
    for each in chosen():
        found: Counter[str] = Counter()
        try:
            found.update(finding.what for finding in each.run(Order()))
        except ReconcileError as error:
            logger.warning("not reconciled", extra={"system": each.name, "error": str(error)})
        counts = ", ".join(f"{count} {what}" for what, count in sorted(found.items()))
        logger.info("Reconciled %s: %s.", each.name, counts or "no drift")
