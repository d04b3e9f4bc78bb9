"""Events written out, oldest first, a page at a time: however many there are, memory stays flat."""

import json
from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from events.kinds import Kind
from events.models import Event
from events.services import record
from momentry.common import cells
from momentry.common.crypto.errors import EnvelopeError

PAGE: Final = 1000
CSV: Final = "csv"
JSON_LINES: Final = "jsonl"
COLUMNS: Final = (
    "seq", "id", "time", "kind", "actor", "subject", "request_id", "details", "details_state",
    "hash",
)  # fmt: skip
UNREADABLE: Final = "unreadable"
ERASED: Final = "erased"


@transaction.atomic
def start_export(wanted: Q, form: str, *, actor: str, filters: dict[str, str]) -> Iterator[str]:
    """Recorded as it begins: who ends it mid-way has seen some of it."""
    record(Kind.EVENT_EXPORTED, actor=actor, subject="events:all", format=form, filters=filters)
    return texts(wanted, form)


def texts(wanted: Q, form: str) -> Iterator[str]:
    """Pages of lines. A CSV begins with its header row, events or not."""
    if form == CSV:
        yield cells.line(COLUMNS)
    for page in pages(wanted):
        shown = map(as_shown, page)
        if form == CSV:
            yield cells.lines(shown, COLUMNS)
        else:
            yield "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in shown)


def pages(wanted: Q) -> Iterator[list[Event]]:
    """By id; the connection is free between two."""
    last = UUID(int=0)
    while page := list(
        Event.objects.with_seals().filter(wanted, pk__gt=last).order_by("pk")[:PAGE]
    ):
        yield page
        last = page[-1].pk


def as_shown(event: Event) -> dict[str, Any]:
    details, state = opened(event)
    digest = event.hash if event.is_chained else None
    return {
        "seq": event.seq if event.is_chained else None,
        "id": str(event.pk),
        "time": event.occurred_at.isoformat().replace("+00:00", "Z"),
        "kind": event.kind,
        "actor": event.actor,
        "subject": event.subject,
        "request_id": event.request_id,
        "details": details,
        "details_state": state,
        "hash": bytes(digest).hex() if digest is not None else None,
    }


def opened(event: Event) -> tuple[Any, str]:
    """The details, and why there are none where there were."""
    try:
        text = event.details
    except EnvelopeError:
        return None, UNREADABLE
    if text is None:
        was_there = event.details_mac or has_mark(event)
        return None, ERASED if was_there else ""
    return json.loads(text), ""


def has_mark(event: Event) -> bool:
    """Of one that was erased before it was sealed."""
    return Event._meta.get_field("erasure").value_from_object(event) is not None
