"""What a webhook says of an event: the envelope of Standard Webhooks 1.0, with a version of ours.

An outsider is told less than staff read: no address, no user agent, no text that people wrote.
"""

import json
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from events.kinds import Kind
from events.models import Event
from events.payloads import told
from momentry.common.crypto.errors import EnvelopeError

API_VERSION: Final = "2026-11-01"


def payload_of(event: Event) -> bytes:
    """Raises EnvelopeError when the details do not open."""
    details = json.loads(event.details) if event.details else {}
    kept = told(Kind(event.kind), details)
    body = {
        "type": event.kind,
        "timestamp": moment(event.occurred_at),
        "api_version": API_VERSION,
        "data": {"id": str(event.pk), "actor": event.actor, "subject": event.subject, **kept},
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def shown_of(event_id: UUID) -> Any:
    """The same for people, or None when the event is gone or does not open."""
    event = Event.objects.filter(pk=event_id).first()
    try:
        return json.loads(payload_of(event)) if event is not None else None
    except (EnvelopeError, ValueError):
        return None


def moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
