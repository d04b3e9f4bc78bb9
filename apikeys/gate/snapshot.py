"""Everything the gate must know of a key, read in one statement, as plain values. Pure.

The statement's columns are held equal to the models by tests/apikeys/test_snapshot_sql.py.
"""

from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from apikeys.gate.addresses import NetworkTable, allow_list
from apikeys.gate.holds import METRICS
from apikeys.gate.verdict import Verdict
from momentry.common.veil import veils

SNAPSHOT_SQL: Final = """
SELECT k.id, k.key_type, k.digest, k.role, k.scopes,
       k.revoked_at, k.quarantined_at, k.disabled_at, k.expires_at,
       k.owner_id, u.status, u.tier,
       ARRAY[mt.requests_per_second, mt.requests_per_minute, mt.concurrent_requests,
             mt.requests_per_day, mt.requests_per_month, mt.requests_lifetime,
             mt.tokens_per_day, mt.tokens_per_month, mt.tokens_lifetime,
             mt.cost_micro_per_day, mt.cost_micro_per_month, mt.cost_micro_lifetime],
       ARRAY[kt.requests_per_second, kt.requests_per_minute, kt.concurrent_requests,
             kt.requests_per_day, kt.requests_per_month, kt.requests_lifetime,
             kt.tokens_per_day, kt.tokens_per_month, kt.tokens_lifetime,
             kt.cost_micro_per_day, kt.cost_micro_per_month, kt.cost_micro_lifetime], kt.slug,
       (SELECT coalesce(json_agg(json_build_array(o.key_id IS NOT NULL, o.name, o.value)),
                        '[]'::json)
          FROM apikeys_limitoverride o WHERE o.key_id = k.id OR o.member_id = k.owner_id),
       (SELECT coalesce(json_agg(json_build_array(
                   CASE WHEN g.key_id IS NOT NULL THEN 'key' ELSE 'member' END,
                   g.upstream, g.methods, g.paths, g.models)), '[]'::json)
          FROM apikeys_grant g
         WHERE g.key_id = k.id OR g.member_id = k.owner_id
            OR g.tier_id = coalesce(u.tier, k.tier_id)),
       (SELECT coalesce(array_agg(r.digest), '{}') FROM apikeys_retiredsecret r
         WHERE r.key_id = k.id AND r.ends_at > statement_timestamp()),
       statement_timestamp(), k.allowed_networks, u.username,
       CASE WHEN %(with_metadata)s OR octet_length(k.metadata::text) <= 4096
            THEN k.metadata::json END, octet_length(k.metadata::text),
       (SELECT min(r.ends_at) FROM apikeys_retiredsecret r
         WHERE r.key_id = k.id AND r.ends_at > statement_timestamp()),
       (SELECT generation FROM common_fence WHERE id = 1)
  FROM apikeys_apikey k
  LEFT JOIN accounts_user u ON u.id = k.owner_id
  LEFT JOIN apikeys_tier mt ON mt.slug = u.tier
  LEFT JOIN apikeys_tier kt ON kt.slug = k.tier_id
 WHERE k.id = %(key_id)s
"""

# RequestLimit's names, in the order of the statement's arrays.
WINDOWS: Final = {
    "requests_per_second": "second",
    "requests_per_minute": "minute",
    "concurrent_requests": "concurrent",
}
PERIODS: Final = {"per_day": "day", "per_month": "month", "lifetime": "lifetime"}
COUNTED: Final = {  # a counter's metric and period
    f"{metric}_{name}": (metric, period)
    for metric in ("requests", *METRICS)
    for name, period in PERIODS.items()
}
NAMES: Final = (*WINDOWS, *COUNTED)


class Grant(NamedTuple):
    """Leave for one upstream; empty methods, paths or models mean all."""

    upstream: str
    methods: tuple[str, ...]
    paths: tuple[str, ...]
    models: tuple[str, ...] = ()

    def allows(self, method: str, path: str) -> bool:
        return (not self.methods or method in self.methods) and (
            not self.paths or any(path.startswith(prefix) for prefix in self.paths)
        )


class Quota(NamedTuple):
    """One limit that a subject (``member:<id>`` or ``key:<id>``) has in a period."""

    subject: str
    metric: str
    period: str
    limit: int


class Window(NamedTuple):
    """One limit on bursts: requests in a ``second`` or ``minute``, or ``concurrent`` ones."""

    subject: str
    name: str
    limit: int


class Kept:
    """What was made of a snapshot once, for as long as it is remembered."""

    __slots__ = ("admitted", "report")

    def __init__(self) -> None:
        self.admitted: dict[bytes, Verdict] = {}  # by the header that the secret came in
        self.report: tuple[bytes, bytes] | None = None  # apikeys.gate.report's fixed parts


@veils("digests")
class KeySnapshot(NamedTuple):
    key_id: UUID
    key_type: str
    digests: tuple[str, ...]  # the secret's and those of retired ones still in their grace
    role: str
    scopes: frozenset[str]
    revoked_at: datetime | None
    quarantined_at: datetime | None
    disabled_at: datetime | None
    expires_at: datetime | None
    member_id: UUID | None
    member_status: str | None
    tier: str
    quotas: tuple[Quota, ...]
    member_grants: tuple[Grant, ...]
    key_grants: tuple[Grant, ...]
    now: datetime
    allowed: NetworkTable[bool] | None = None  # None: from everywhere
    username: str = ""
    metadata: dict[str, Any] | None = None  # large ones only when they were asked for
    windows: tuple[Window, ...] = ()
    metadata_bytes: int = 0
    tiers: tuple[str, ...] = ()  # the member's and the key's own
    grace_ends_at: datetime | None = None  # the first end of a retired secret that still holds
    generation: int = 0  # the fence's, when this was read
    kept: Kept | None = None  # of a remembered one
    budgets: tuple[Quota, ...] = ()  # of tokens and cost; only calls with a hold touch them
    has_models: bool = False  # some grant is for some models only

    def at(self, now: datetime) -> "KeySnapshot":
        """The same, judged at ``now``; _replace() costs four times as much."""
        return KeySnapshot._make((*self[:NOW], now, *self[NOW + 1 :]))


NOW: Final = KeySnapshot._fields.index("now")


def parameters(key_id: UUID, *, with_metadata: bool = False) -> dict[str, Any]:
    """What SNAPSHOT_SQL is sent."""
    return {"key_id": key_id, "with_metadata": with_metadata}


def from_row(row: tuple[Any, ...]) -> KeySnapshot:
    """The snapshot of one row of SNAPSHOT_SQL."""
    grants = row[16]
    has_models = any(grant[4] for grant in grants)
    quotas, budgets, windows = limits_of(row)
    return KeySnapshot(
        key_id=row[0],
        key_type=row[1],
        digests=((row[2],) if row[2] else ()) + tuple(row[17]),
        role=row[3],
        scopes=frozenset(row[4]),
        revoked_at=row[5],
        quarantined_at=row[6],
        disabled_at=row[7],
        expires_at=row[8],
        member_id=row[9],
        member_status=row[10],
        tier=row[11] or row[14] or "",
        quotas=quotas,
        member_grants=grants_of(grants, "member"),
        key_grants=grants_of(grants, "key"),
        now=row[18],
        allowed=allow_list(tuple(row[19])) if row[19] else None,
        username=row[20] or "",
        metadata=row[21],
        windows=windows,
        budgets=budgets,
        tiers=tuple(slug for slug in (row[11], row[14]) if slug),
        metadata_bytes=row[22],
        grace_ends_at=row[23],
        generation=int(row[24] or 0),
        has_models=has_models,
    )


Limits = tuple[tuple[Quota, ...], tuple[Quota, ...], tuple[Window, ...]]


def limits_of(row: tuple[Any, ...]) -> Limits:
    """Quotas of requests, budgets and windows, of the member and of the key: an override of a limit
    if there is one, else the tier's."""
    quotas: list[Quota] = []
    budgets: list[Quota] = []
    windows: list[Window] = []
    subjects = [(f"member:{row[9].hex}", row[12], False)] if row[9] else []
    for subject, of_tier, of_key in (*subjects, (f"key:{row[0].hex}", row[13], True)):
        limits = dict(zip(NAMES, of_tier, strict=True))
        limits |= {name: value for is_key, name, value in row[15] if is_key is of_key}
        for name, limit in limits.items():
            if limit is None:
                continue
            if name in WINDOWS:
                windows.append(Window(subject, WINDOWS[name], limit))
            elif name in COUNTED:
                quota = Quota(subject, *COUNTED[name], limit)
                (budgets if quota.metric in METRICS else quotas).append(quota)
    return tuple(quotas), tuple(budgets), tuple(windows)


def grants_of(rows: list[list[Any]], source: str) -> tuple[Grant, ...]:
    return tuple(Grant(r[1], *map(tuple, r[2:])) for r in rows if r[0] == source)
