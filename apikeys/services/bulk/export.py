"""Keys written out, page by page: what they are and may do; no digest, no secret, no hash.

Pages follow the ids (never OFFSET), so that the hundredth costs what the first does; how many rows
a page has depends on how much the last ones weighed, so that memory stays flat.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from time import sleep
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from accounts.models import User
from apikeys.models import ApiKey
from apikeys.services.bulk.batches import Tell, quiet
from apikeys.services.bulk.select import Conditions, matching
from events.kinds import Kind
from events.services import record
from momentry.common import cells

CSV: Final = "csv"
JSON_LINES: Final = "jsonl"
TYPES: Final = {CSV: "text/csv; charset=utf-8; header=present", JSON_LINES: "application/jsonl"}
PAGE: Final = 250
FIRST_PAGE: Final = 100
PAGE_BYTES: Final = 2 * 1024**2
REST_ROWS: Final = 16
REST_SECONDS: Final = 0.0001
NAMES: Final = (
    "id", "name", "description", "key_type", "owner", "service_name", "role", "scopes", "tier",
    "template", "limit_overrides", "grants", "key_prefix", "is_active", "version", "metadata",
    "allowed_networks", "created_at", "expires_at", "last_used_at", "rotate_every_days",
    "rotation_due_at", "disabled_at", "revoked_at", "quarantined_at",
)  # fmt: skip
OWNER: Final = ("owner_id", "owner_username")
COLUMNS: Final = tuple(
    column for name in NAMES for column in (OWNER if name == "owner" else (name,))
)
PLAIN: Final = (
    "name", "description", "key_type", "service_name", "role", "scopes", "key_prefix", "version",
    "metadata", "allowed_networks", "rotate_every_days",
)  # fmt: skip
TIMES: Final = (
    "created_at", "expires_at", "last_used_at", "rotation_due_at", "disabled_at", "revoked_at",
    "quarantined_at",
)  # fmt: skip
LISTS: Final = [Prefetch(name, to_attr=f"{name}_listed") for name in ("grants", "limit_overrides")]


class Export:
    """One export. ``next_page`` gives bytes until there are no more; ``rows`` counts the keys."""

    def __init__(self, conditions: Conditions, form: str) -> None:
        self.now = timezone.now()
        self.form = form
        self.keys = (
            matching(conditions, self.now)
            .select_related("owner")
            .prefetch_related(*LISTS)
            .order_by("pk")
        )
        self.last: UUID | None = None
        self.size = FIRST_PAGE
        self.rows = 0
        self.began = self.ended = False

    def next_page(self) -> bytes:
        """b"" at the end. CSV begins with its header row, keys or not."""
        text = "" if self.began or self.form != CSV else cells.line(COLUMNS)
        self.began = True
        if not self.ended:
            text += self.written(page_after(self.keys, self.last, self.size))
        return text.encode()

    def written(self, page: list[ApiKey]) -> str:
        self.ended = len(page) < self.size
        if not page:
            return ""
        self.last = page[-1].pk
        self.rows += len(page)
        text = written(page, self.form, self.now)
        self.size = max(1, min(PAGE, PAGE_BYTES * len(page) // len(text)))
        return text

    def pages(self, tell: Tell = quiet) -> Iterator[bytes]:
        while page := self.next_page():
            yield page
            tell(self.rows)


def page_after(keys: QuerySet[ApiKey], last: UUID | None, size: int) -> list[ApiKey]:
    return list((keys if last is None else keys.filter(pk__gt=last))[:size])


def written(page: list[ApiKey], form: str, now: datetime) -> str:
    shown = rested(page, now)
    if form == CSV:
        return cells.lines(map(flat, shown), COLUMNS)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in shown)


def rested(page: Iterable[ApiKey], now: datetime) -> Iterator[dict[str, Any]]:
    """With a rest each half millisecond: what never rests is interrupted some milliseconds late,
    and the gateway may be who waits for this processor (docs/decisions/040)."""
    for number, key in enumerate(page):
        if number % REST_ROWS == 0:
            sleep(REST_SECONDS)
        yield as_shown(key, now)


def as_shown(key: ApiKey, now: datetime) -> dict[str, Any]:
    """The key as JSON lines have it, and as import reads it."""
    values = {name: getattr(key, name) for name in PLAIN}
    values |= {name: moment(getattr(key, name)) for name in TIMES}
    values |= {
        "id": str(key.pk),
        "owner": owner_of(key.owner),
        "tier": key.tier_id,
        "template": key.template_id,
        "is_active": key.is_usable(now),
        "limit_overrides": {row.name: row.value for row in of(key, "limit_overrides")},
        "grants": [
            {
                "upstream": row.upstream,
                "methods": row.methods,
                "paths": row.paths,
                "models": row.models,
            }
            for row in of(key, "grants")
        ],
    }
    return {name: values[name] for name in NAMES}


def of(key: ApiKey, name: str) -> list[Any]:
    """Lists of rows that came with the page: asking a manager for them costs more than all else."""
    found: list[Any] = getattr(key, f"{name}_listed")
    return found


def owner_of(owner: User | None) -> dict[str, str] | None:
    return {"id": str(owner.pk), "username": owner.username} if owner else None


def moment(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """A table has no objects in it where a column will do."""
    owner = row.get("owner") or {}
    return {**row, "owner_id": owner.get("id"), "owner_username": owner.get("username")}


@transaction.atomic
def start_export(conditions: Conditions, form: str, *, actor: str) -> Export:
    """Recorded as it begins: who leaves mid-way has seen some of it."""
    given = {name: str(value) for name, value in conditions.given.items()}
    record(Kind.APIKEY_EXPORTED, actor=actor, subject="keys:all", format=form, conditions=given)
    return Export(conditions, form)
