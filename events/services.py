"""record(): the only way anything is audited, in the transaction that makes it true."""

import json
from collections.abc import Collection
from typing import Any

from django.db import connection
from django.db.models import Q

from events.chain.erasing import erase
from events.chain.proofs import prove
from events.chain.rows import fact_of
from events.kinds import Kind
from events.models import Event
from events.payloads import PAYLOADS, plain
from momentry.common import request_id


def record(kind: Kind, *, actor: str, subject: str, **details: Any) -> Event:
    """Write one event. ``actor`` and ``subject`` are ``kind:id``; details are kept encrypted.
    What they hold says events.payloads.

    Must run inside the transaction of the change: a rolled-back change leaves no event.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("events.record needs the transaction of the change it records")
    text = json.dumps(details, ensure_ascii=False, default=plain) if details else None
    event = Event(
        kind=kind,
        actor=actor,
        subject=subject,
        request_id=request_id.current.get(),
        details=text,
    )
    event.proof = prove(fact_of(event), text)
    event.save(force_insert=True)
    return event


def forget_details(subjects: Collection[str]) -> int:
    """What people wrote of whom is purged, names and addresses among it, and from where they did
    something; of how many events. That it happened, when and by whom stays."""
    private = [
        kind for kind, fields in PAYLOADS.items() if any(field.private for field in fields.values())
    ]
    of_them = Q(subject__in=subjects, kind__in=private)
    by_them = Q(actor__in=subjects, kind__in=[k for k in private if "address" in PAYLOADS[k]])
    rows = Event.objects.filter(of_them | by_them, details__isnull=False)
    return erase(list(rows.values_list("pk", flat=True)))
