"""The chain's end is told once an hour: to the log, and as an event that webhooks take away. Who
has an end that was told can prove later that nothing was cut off (audit_verify --head)."""

import logging
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from events.chain.canon import Link
from events.chain.sealer import ACTOR, SUBJECT
from events.chain.state import read_ends
from events.chainmodels import Chain
from events.kinds import Kind
from events.services import record

logger = logging.getLogger(__name__)

EVERY: Final = timedelta(hours=1)
SAID: Final = "The chain of events ends at %s"


def tell_head(now: datetime) -> Link | None:
    """What was told; None when it is not time yet, or another relay tells it."""
    head = note_head(now)
    if head is not None:
        logger.info(SAID, head)
    return head


@transaction.atomic
def note_head(now: datetime) -> Link | None:
    """BrokenError when it is not the end that was sealed."""
    row = Chain.objects.select_for_update(skip_locked=True).filter(head_seq__gt=0).first()
    # A time in the future would keep it silent.
    if row is None or (row.told_at is not None and now - EVERY < row.told_at <= now):
        return None
    ends = read_ends()
    if ends is None:
        return None
    row.told_at = now
    row.save(update_fields=["told_at"])
    seq, digest = ends.head
    record(Kind.CHAIN_HEAD, actor=ACTOR, subject=SUBJECT, seq=seq, hash=digest.hex())
    return ends.head
