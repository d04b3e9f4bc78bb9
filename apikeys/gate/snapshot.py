"""Everything the gate must know of a key, read in one statement, as plain values. Pure.

The statement's columns are held equal to the models by tests/apikeys/test_snapshot_sql.py.
"""

from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from apikeys.gate.addresses import NetworkTable, allow_list

SNAPSHOT_SQL: Final = """
SELECT k.id, k.key_type, k.digest, k.role, k.scopes,
       k.revoked_at, k.quarantined_at, k.disabled_at, k.expires_at,
       k.owner_id, u.status, u.tier,
       mt.requests_per_day, mt.requests_per_month,
       kt.slug, kt.requests_per_day, kt.requests_per_month,
       (SELECT coalesce(json_agg(json_build_array(
                   CASE WHEN g.key_id IS NOT NULL THEN 'key' ELSE 'member' END,
                   g.upstream, g.methods, g.paths)), '[]'::json)
          FROM apikeys_grant g
         WHERE g.key_id = k.id OR g.member_id = k.owner_id
            OR g.tier_id = coalesce(u.tier, k.tier_id)),
       (SELECT coalesce(array_agg(r.digest), '{}') FROM apikeys_retiredsecret r
         WHERE r.key_id = k.id AND r.ends_at > statement_timestamp()),
       statement_timestamp(), k.allowed_networks, u.username,
       CASE WHEN %(with_metadata)s THEN k.metadata END
  FROM apikeys_apikey k
  LEFT JOIN accounts_user u ON u.id = k.owner_id
  LEFT JOIN apikeys_tier mt ON mt.slug = u.tier
  LEFT JOIN apikeys_tier kt ON kt.slug = k.tier_id
 WHERE k.id = %(key_id)s
"""


class Grant(NamedTuple):
    """Leave for one upstream; empty methods or paths mean all."""

    upstream: str
    methods: tuple[str, ...]
    paths: tuple[str, ...]

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
    metadata: dict[str, Any] | None = None  # only when it was asked for


def parameters(key_id: UUID, *, with_metadata: bool = False) -> dict[str, Any]:
    """What SNAPSHOT_SQL is sent."""
    return {"key_id": key_id, "with_metadata": with_metadata}


def from_row(row: tuple[Any, ...]) -> KeySnapshot:
    """The snapshot of one row of SNAPSHOT_SQL."""
    grants = row[17]
    return KeySnapshot(
        key_id=row[0],
        key_type=row[1],
        digests=((row[2],) if row[2] else ()) + tuple(row[18]),
        role=row[3],
        scopes=frozenset(row[4]),
        revoked_at=row[5],
        quarantined_at=row[6],
        disabled_at=row[7],
        expires_at=row[8],
        member_id=row[9],
        member_status=row[10],
        tier=row[11] or row[14] or "",
        quotas=quotas_of(row),
        member_grants=grants_of(grants, "member"),
        key_grants=grants_of(grants, "key"),
        now=row[19],
        allowed=allow_list(tuple(row[20])) if row[20] else None,
        username=row[21] or "",
        metadata=row[22],
    )


def quotas_of(row: tuple[Any, ...]) -> tuple[Quota, ...]:
    """The member's tier feeds the member's counters; a key has its own only with its own tier."""
    member = f"member:{row[9].hex}" if row[9] else ""
    found = (
        (member, "day", row[12]),
        (member, "month", row[13]),
        (f"key:{row[0].hex}", "day", row[15]),
        (f"key:{row[0].hex}", "month", row[16]),
    )
    return tuple(
        Quota(subject, "requests", period, limit)
        for subject, period, limit in found
        if limit is not None and subject
    )


def grants_of(rows: list[list[Any]], source: str) -> tuple[Grant, ...]:
    return tuple(Grant(r[1], tuple(r[2]), tuple(r[3])) for r in rows if r[0] == source)
