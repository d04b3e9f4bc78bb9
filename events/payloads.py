"""What the details of each kind of event hold: one schema per kind, and what of it may leave.

record() writes what services give it; that all of it fits is held by the whole test suite
(tests/conftest.py). Webhooks get what ``told`` gives, which is nothing that no schema names.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from events.kinds import Kind
from events.shapes import (
    COUNT,
    DIGEST,
    FREE,
    ID,
    MOMENT,
    NAMES,
    NUMBER,
    PRIVATE,
    REFERENCE,
    TEXT,
    WORD,
    YES,
    Field,
    Fields,
    list_of,
    one_of,
    record_of,
)


def maybe(fields: Fields) -> Fields:
    return {name: field.maybe() for name, field in fields.items()}


NOTHING: Final[Fields] = {}
CHANGED: Final[Fields] = {"fields": NAMES, "before": FREE, "after": FREE}
SEALED: Final[Fields] = {"fields": NAMES, "before": FREE.kept(), "after": FREE.kept()}
"""Among the values are texts of people, names, addresses, or places inside our networks."""
MADE: Final[Fields] = {"after": FREE.kept()}
LIMITS: Final = dict.fromkeys(
    (
        "requests_per_second", "requests_per_minute", "requests_per_day", "requests_per_month",
        "requests_lifetime", "concurrent_requests", "tokens_per_day", "tokens_per_month",
        "tokens_lifetime", "cost_micro_per_day", "cost_micro_per_month", "cost_micro_lifetime",
        "storage_bytes", "key_lifetime_days",
    ),
    COUNT.or_none(),
)  # fmt: skip
SOME_LIMITS: Final = record_of(**maybe(LIMITS))
TIER: Final[Fields] = {"name": TEXT, **LIMITS}
GRANT: Final[Fields] = {
    "of": REFERENCE, "upstream": WORD, "methods": NAMES, "paths": list_of(TEXT),
    "models": list_of(TEXT),
}  # fmt: skip
TARGET: Final = record_of(
    base_url=TEXT, weight=COUNT, is_active=YES, credential=one_of(("new", "kept", "none")),
)  # fmt: skip
UPSTREAM: Final[Fields] = {
    "name": TEXT, "is_active": YES, "injection": WORD, "injection_name": TEXT,
    "injection_template": PRIVATE, "connect_timeout_ms": COUNT, "first_byte_timeout_ms": COUNT,
    "idle_timeout_ms": COUNT, "total_timeout_ms": COUNT.or_none(),
    "max_body_bytes": COUNT.or_none(), "max_response_bytes": COUNT.or_none(), "tls_verify": YES,
    "usage_format": WORD, "request_weight": COUNT, "max_retries": COUNT,
    "failure_threshold": COUNT, "health_path": TEXT, "health_interval_ms": COUNT,
    "header_rules": Field({"type": ["array", "object"]}).kept(),  # values may be credentials
    "serves_v1": YES, "models_only": YES, "targets": list_of(TARGET).kept(),
}  # fmt: skip
PRICE: Final[Fields] = {
    "upstream": WORD.or_none(), "model": TEXT, "input_micro": COUNT,
    "cached_micro": COUNT.or_none(), "output_micro": COUNT, "max_tokens": COUNT.or_none(),
    "effective_from": MOMENT,
}  # fmt: skip
IP_RULE: Final[Fields] = {
    "network": PRIVATE, "rule": WORD, "expires_at": MOMENT.or_none(), "note": PRIVATE,
}  # fmt: skip
TOKEN: Final[Fields] = {
    "provider": WORD, "label": PRIVATE, "base_url": PRIVATE, "owner": ID.or_none(),
}  # fmt: skip
VIDEO: Final[Fields] = {"path": TEXT, "owner": ID.or_none().maybe(), "size": COUNT.maybe()}
OVER: Final[Fields] = {"over_quota": YES}
OF_ALL: Final[Fields] = {"policy": WORD, "videos": COUNT}
"""Of all videos of a purged member at once, instead of one."""
JOB: Final[Fields] = {"video": ID, "state": WORD, "steps": FREE}
FULLNESS: Final[Fields] = {"used": COUNT, "quota": COUNT}
OF_LIMIT: Final[Fields] = {"metric": WORD, "period": WORD, "used": COUNT, "limit": COUNT}
BYTES: Final = record_of(used=COUNT, reserved=COUNT)
CLIENT: Final[Fields] = {"address": PRIVATE, "user_agent": PRIVATE}
REFUSED: Final[Fields] = {
    "code": WORD, "network": PRIVATE, "count": COUNT, "first_at": MOMENT, "last_at": MOMENT,
    "requests": list_of(ID), "member": ID.or_none(),
}  # fmt: skip
LINK: Final[Fields] = {"seq": COUNT, "hash": DIGEST}
HOOK: Final[Fields] = {"host": PRIVATE, "kinds": list_of(TEXT)}
SYSTEM: Final[Fields] = {"system": WORD}


PAYLOADS: Final[dict[Kind, Fields]] = {
    Kind.AUTH_REFUSED: REFUSED,
    Kind.STAFF_LOGGED_IN: CLIENT,
    Kind.STAFF_LOGGED_OUT: CLIENT,
    Kind.STAFF_LOGIN_FAILED: CLIENT,
    Kind.STAFF_CREATED: {"name": PRIVATE},
    Kind.STAFF_PASSWORD_CHANGED: maybe(CLIENT),
    Kind.APIKEY_CREATED: {"name": PRIVATE, "type": WORD.maybe()},
    Kind.APIKEY_CLAIMED: NOTHING,
    Kind.APIKEY_UPDATED: SEALED,
    Kind.APIKEY_DISABLED: NOTHING,
    Kind.APIKEY_ENABLED: NOTHING,
    Kind.APIKEY_ROTATED: {"grace_seconds": COUNT},
    Kind.APIKEY_ROTATION_REQUIRED: {"due_at": MOMENT},
    Kind.APIKEY_REVOKED: {"batch": COUNT.maybe()},
    Kind.APIKEY_QUARANTINED: {"reason": PRIVATE.maybe()},
    Kind.APIKEY_PURGED: NOTHING,
    Kind.APIKEY_EXPORTED: {"format": WORD, "conditions": FREE.kept()},
    Kind.TIER_CREATED: TIER,
    Kind.TIER_UPDATED: CHANGED,
    Kind.TIER_DELETED: {"name": TEXT},
    Kind.GRANT_CREATED: GRANT,
    Kind.GRANT_UPDATED: {"of": REFERENCE, **CHANGED},
    Kind.GRANT_DELETED: GRANT,
    Kind.KEY_TEMPLATE_CREATED: MADE,
    Kind.KEY_TEMPLATE_UPDATED: SEALED,
    Kind.KEY_TEMPLATE_DELETED: NOTHING,
    Kind.UPSTREAM_CREATED: UPSTREAM,
    Kind.UPSTREAM_UPDATED: SEALED,
    Kind.UPSTREAM_DELETED: {"name": TEXT, "grants": list_of(REFERENCE)},
    Kind.UPSTREAM_DOWN: {"target": PRIVATE, "reason": TEXT, "since": MOMENT},
    Kind.UPSTREAM_UP: {"target": PRIVATE},
    Kind.UPSTREAM_TESTED: {
        "path": TEXT, "outcomes": list_of(list_of(TEXT)).kept(),
        "credentials": list_of(ID.or_none()),
    },
    Kind.PRICE_CREATED: PRICE,
    Kind.PRICE_UPDATED: CHANGED,
    Kind.PRICE_DELETED: PRICE,
    Kind.IP_RULE_CREATED: IP_RULE,
    Kind.IP_RULE_UPDATED: SEALED,
    Kind.IP_RULE_DELETED: IP_RULE,
    Kind.MEMBER_CREATED: {"status": WORD},
    Kind.MEMBER_UPDATED: {**SEALED, "status": WORD.maybe()},
    Kind.MEMBER_LIMITS_CHANGED: {"before": SOME_LIMITS, "after": SOME_LIMITS},
    Kind.MEMBER_SUSPENDED: {"reason": PRIVATE},
    Kind.MEMBER_RESUMED: NOTHING,
    Kind.MEMBER_DELETED: NOTHING,
    Kind.MEMBER_RESTORED: NOTHING,
    Kind.MEMBER_PURGED: NOTHING,
    Kind.MEMBER_RESOLVED: {"status": WORD},
    Kind.MEMBER_LINKED: {"site": ID},
    Kind.MEMBER_MERGED: {"into": ID},
    Kind.MEMBER_PASSWORD_SET: SYSTEM,
    Kind.PROVISIONING_DONE: SYSTEM,
    Kind.PROVISIONING_FAILED: {**SYSTEM, "error": TEXT},
    Kind.PROVISIONING_DEAD: {**SYSTEM, "error": TEXT},
    Kind.PROVISIONING_RETRIED: SYSTEM,
    Kind.PROVISIONING_DRIFTED: {**SYSTEM, "found": list_of(TEXT)},
    Kind.PROVISIONING_ADOPTED: {**SYSTEM, "username": PRIVATE, "home_dir": PRIVATE},
    Kind.TOKEN_CREATED: TOKEN,
    Kind.TOKEN_UPDATED: SEALED,
    Kind.TOKEN_DELETED: {**TOKEN, "revoked": YES},
    Kind.TOKEN_BROKEN: {**TOKEN, "reason": TEXT},
    Kind.TOKEN_REPAIRED: {**TOKEN, "since": MOMENT},
    Kind.VIDEO_REGISTERED: {**VIDEO, **OVER, "source": WORD},
    Kind.VIDEO_REPLACED: {**VIDEO, **maybe(OVER), "before": COUNT},
    Kind.VIDEO_UPDATED: {**maybe(VIDEO), **maybe(OVER), **SEALED, "videos": COUNT.maybe()},
    Kind.VIDEO_DELETED: {**maybe(VIDEO), **maybe(OF_ALL), "file_gone": YES.maybe()},
    Kind.VIDEO_RESTORED: {**VIDEO, **maybe(OVER)},
    Kind.VIDEO_PURGED: {**VIDEO, "file_removed": YES},
    Kind.VIDEO_REASSIGNED: {
        **maybe(VIDEO), **maybe(OVER), **maybe(OF_ALL), "former": ID.or_none().maybe(),
        "heir": ID.maybe(),
    },
    Kind.VIDEO_MEASURED: {**VIDEO, "before": COUNT},
    Kind.JOB_DONE: JOB,
    Kind.JOB_FAILED: JOB,
    Kind.JOB_CANCELLED: JOB,
    Kind.JOB_REQUEUED: {"processors": NAMES},
    Kind.JOB_UPDATED: CHANGED,
    Kind.QUOTA_80: FULLNESS,
    Kind.QUOTA_95: FULLNESS,
    Kind.QUOTA_100: FULLNESS,
    Kind.LIMIT_80: OF_LIMIT,
    Kind.LIMIT_95: OF_LIMIT,
    Kind.LIMIT_100: OF_LIMIT,
    Kind.STORAGE_REPAIRED: {"before": BYTES, "after": BYTES},
    Kind.SITE_CREATED: SEALED,
    Kind.SITE_UPDATED: SEALED,
    Kind.SITE_ROTATED: NOTHING,
    Kind.SITE_TESTED: {"ok": YES},
    Kind.WAKEUP_RETRIED: {"wordpress_id": COUNT},
    Kind.GROUP_CREATED: MADE,
    Kind.GROUP_UPDATED: SEALED,
    Kind.GROUP_DELETED: {"name": PRIVATE},
    Kind.SCHEDULE_CREATED: MADE,
    Kind.SCHEDULE_UPDATED: SEALED,
    Kind.SCHEDULE_DELETED: {"name": PRIVATE},
    Kind.SCHEDULE_RUN: {"task": WORD},
    Kind.CLAIM_CREATED: {"chance": WORD},
    Kind.MAIL_RETRIED: NOTHING,
    Kind.CHAIN_HEAD: LINK,
    Kind.CHAIN_BROKEN: {"reason": TEXT},
    Kind.CHAIN_CHECKPOINT: {**LINK, "key": ID.maybe(), "rows": COUNT.maybe()},
    Kind.CHAIN_MENDED: {
        "accepted": COUNT.maybe(), "events": list_of(ID).maybe(), "restarted_behind": COUNT.maybe(),
    },
    Kind.WEBHOOK_CREATED: HOOK,
    Kind.WEBHOOK_UPDATED: SEALED,
    Kind.WEBHOOK_DELETED: HOOK,
    Kind.WEBHOOK_ROTATED: {"grace_seconds": COUNT},
    Kind.WEBHOOK_ENABLED: NOTHING,
    Kind.WEBHOOK_DISABLED: {"cause": WORD},
    Kind.WEBHOOK_PING: NOTHING,
    Kind.WEBHOOK_REDELIVERED: {"event": ID},
    Kind.MEMBER_UNSUBSCRIBED: {"topic": WORD},
    Kind.MEMBER_SUBSCRIBED: {"topic": WORD},
    Kind.APIKEY_EXPIRING: {"days": COUNT, "expires_at": MOMENT},
    Kind.APIKEY_EXPIRED: {"expires_at": MOMENT},
    Kind.APIKEY_LEAKED: {
        "origin": WORD, "source": TEXT, "where": PRIVATE, "outcome": WORD,
    },
    Kind.ANOMALY_DETECTED: {
        "rule": WORD, "hour": MOMENT, **dict.fromkeys(("value", "usual", "threshold"), NUMBER),
    },
    Kind.EVENT_EXPORTED: {"format": WORD, "filters": FREE.kept()},
}  # fmt: skip


def told(kind: Kind, details: Mapping[str, Any]) -> dict[str, Any]:
    """What of the details may leave. What no schema names does not."""
    known = PAYLOADS[kind]
    return {name: details[name] for name in known if name in details and not known[name].private}


def plain(value: Any) -> str:
    """json.dumps()'s ``default``: what JSON has no word for, as text; a moment by RFC 3339."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)
