"""Which keys a batch is about: conditions, all of which must hold."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from apikeys.models import ApiKey

EQUAL = ("owner", "key_type", "role", "tier", "template", "service_name")


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """None and empty ask nothing. ``unused_since``: not used since then, and made before.

    ``metadata``: names that must have these values; ``metadata_text`` is for those who can only
    write text: ``3`` there means the number too.
    """

    owner: UUID | None = None
    key_type: str = ""
    role: str = ""
    tier: str = ""
    template: str = ""
    service_name: str = ""
    name_contains: str = ""
    created_before: datetime | None = None
    expires_before: datetime | None = None
    unused_since: datetime | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    metadata_text: Mapping[str, str] = field(default_factory=dict)
    active: bool | None = None

    @property
    def given(self) -> dict[str, Any]:
        """Those that ask something."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {name: value for name, value in values.items() if value not in (None, "", {})}


def matching(conditions: Conditions, now: datetime) -> QuerySet[ApiKey]:
    """Keys that all conditions hold for; tombstones never match."""
    rows = ApiKey.objects.filter(purged_at=None)
    for name in EQUAL:
        if value := getattr(conditions, name):
            rows = rows.filter(**{name: value})
    if conditions.name_contains:
        rows = rows.filter(name__icontains=conditions.name_contains)
    if conditions.active is not None:
        rows = rows.filter(usable(now) if conditions.active else ~usable(now))
    for name, value in conditions.metadata.items():
        rows = rows.filter(metadata__contains={name: value})
    for name, text in conditions.metadata_text.items():
        rows = rows.filter(reads(name, text))
    return before(rows, conditions)


def before(rows: QuerySet[ApiKey], conditions: Conditions) -> QuerySet[ApiKey]:
    if conditions.created_before:
        rows = rows.filter(created_at__lt=conditions.created_before)
    if conditions.expires_before:
        rows = rows.filter(expires_at__lt=conditions.expires_before)
    if since := conditions.unused_since:
        never = Q(last_used_at=None, created_at__lt=since)
        rows = rows.filter(Q(last_used_at__lt=since) | never)
    return rows


def reads(name: str, text: str) -> Q:
    wanted = Q(metadata__contains={name: text})
    try:
        value = json.loads(text)
    except ValueError:
        return wanted
    is_plain = value is None or isinstance(value, (bool, int, float))
    return wanted | Q(metadata__contains={name: value}) if is_plain else wanted


def usable(now: datetime) -> Q:
    """ApiKey.is_usable as a condition."""
    ended = Q(revoked_at=None, quarantined_at=None, disabled_at=None, digest__isnull=False)
    return ended & (Q(expires_at=None) | Q(expires_at__gt=now))
