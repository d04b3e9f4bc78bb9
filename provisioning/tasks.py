"""Scheduled work (CELERY_BEAT_SCHEDULE): thin over the services that the commands call."""

import logging
from collections import Counter
from typing import Final

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from momentry.common.jobs import Daily
from provisioning.services import expiry, members, token_checks
from provisioning.services.reconcile import Order, ReconcileError, chosen
from provisioning.tokens.models import State

logger = logging.getLogger(__name__)
ACTOR: Final = "schedule"


@shared_task(base=Daily)
def reconcile() -> str:
    """Members against every configured system; what is found is counted by kind."""
    said = []
    for each in chosen():
        found: Counter[str] = Counter()
        try:
            found.update(finding.what for finding in each.run(Order(actor=ACTOR)))
        except ReconcileError as error:
            logger.warning("not reconciled", extra={"system": each.name, "error": str(error)})
        counts = ", ".join(f"{count} {what}" for what, count in sorted(found.items()))
        said.append(f"Reconciled {each.name}: {counts or 'no drift'}.")
    return " ".join(said)


@shared_task(base=Daily)
def purge_members() -> str:
    """Personal data of members who were deleted MEMBER_PURGE_DAYS ago."""
    count = members.purge_members(timezone.now(), settings.MEMBER_PURGE_AFTER, actor=ACTOR)
    return f"Purged {count} members."


@shared_task(base=Daily)
def resolve_pending() -> str:
    """Pending members whose name became free while nobody could look: a process was killed."""
    return f"Resolved {members.resolve_waiting(actor=ACTOR)} pending members."


@shared_task(base=Daily)
def verify_tokens() -> str:
    """Each external token is shown to its provider."""
    states = token_checks.verify_tokens(actor=ACTOR)
    return f"Verified {states.total()} external tokens, {states[State.BROKEN]} broken."


@shared_task(base=Daily)
def forget_claims() -> str:
    """Claim links that were over a month ago."""
    return f"Forgot {expiry.forget_claims(timezone.now())} claim links."


@shared_task(base=Daily)
def forget_inbox() -> str:
    """What sites told three months ago."""
    return f"Forgot {expiry.forget_inbox(timezone.now())} inbox rows."
