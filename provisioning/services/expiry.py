"""Rows of the doors that say nothing any more: claim links that are over, webhooks long applied."""

from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q

from momentry.common.forgetting import delete_in_batches
from provisioning.models import ClaimLink, InboxEvent

LINKS_KEPT: Final = timedelta(days=30)
# A repetition of one that is older is told by its time stamp, and by the member's last sequence.
INBOX_KEPT: Final = timedelta(days=90)


def forget_claims(now: datetime) -> int:
    """Links that were used, voided or out of date a month ago; how many. They are shown as long."""
    end = now - LINKS_KEPT
    over = Q(used_at__lt=end) | Q(voided_at__lt=end) | Q(expires_at__lt=end)
    return delete_in_batches(ClaimLink.objects.filter(over).order_by())


def forget_inbox(now: datetime) -> int:
    """What sites told three months ago; how many."""
    return delete_in_batches(InboxEvent.objects.filter(received_at__lt=now - INBOX_KEPT).order_by())
