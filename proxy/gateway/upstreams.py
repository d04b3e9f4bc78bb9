"""The upstreams as the gateway knows them: read by SQL, rebuilt when the rows changed.

The statements are held equal to proxy.models by tests/gateway/test_upstream_sql.py.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from momentry.common.crypto.keyring import KeyRing
from momentry.common.veil import veils
from proxy.gateway.balance import Budget
from proxy.gateway.credentials import injections_of
from proxy.gateway.destinations import Destination
from proxy.gateway.headerrules import REQUEST, RESPONSE, check_rules, rewriting
from proxy.gateway.health import Health
from proxy.gateway.models import Models, models_of
from proxy.gateway.pool import Endpoint
from proxy.gateway.turns import Turns
from proxy.usage.reported import FORMATS

# Any change of a row changes its xmin, whoever made it; a deletion changes the count.
VERSION_SQL: Final = """
SELECT md5(coalesce(string_agg(id::text || xmin::text, ',' ORDER BY id), ''))
  FROM (SELECT id, xmin FROM proxy_upstream UNION ALL SELECT id, xmin FROM proxy_target
        UNION ALL SELECT id, xmin FROM proxy_targetcredential
        UNION ALL SELECT id, xmin FROM proxy_upstreammodel
        UNION ALL SELECT id, xmin FROM proxy_price) AS rows
"""
PRICES_SQL: Final = """
SELECT coalesce(u.slug, ''), p.model, p.input_micro, p.cached_micro, p.output_micro, p.max_tokens,
       p.effective_from
  FROM proxy_price p LEFT JOIN proxy_upstream u ON u.id = p.upstream_id
"""
ROWS_SQL: Final = """
SELECT u.slug, u.is_active, u.injection, u.injection_name, u.injection_template,
       u.connect_timeout_ms, u.first_byte_timeout_ms, u.idle_timeout_ms, u.total_timeout_ms,
       u.max_body_bytes, u.max_response_bytes, u.tls_verify, u.usage_format, u.request_weight,
       u.max_retries, u.failure_threshold, u.health_path, u.health_interval_ms, u.header_rules,
       u.serves_v1, u.models_only,
       (SELECT coalesce(json_agg(json_build_array(m.name, m.sent_as, m.targets, m.is_active,
                                                   extract(epoch FROM m.created_at)::bigint)
                                  ORDER BY m.name), '[]'::json)
           FROM proxy_upstreammodel m WHERE m.upstream_id = u.id),
       t.id, t.base_url, t.weight, c.id, c.is_active, c.secret
  FROM proxy_upstream u
  LEFT JOIN proxy_target t ON t.upstream_id = u.id AND t.is_active
  LEFT JOIN proxy_targetcredential c ON c.target_id = t.id
 ORDER BY u.slug, t.id, c.created_at, c.id
"""
NEVER: Final = float("inf")
PORTS: Final = {"http": 80, "https": 443}


class Target(NamedTuple):
    """``name``: the base URL, for the log. ``health`` outlives a reading of the rows. ``turns``:
    where it has several credentials; then each of them makes a Target of its own."""

    id: UUID
    name: str
    endpoint: Endpoint
    destination: Destination
    weight: int
    health: Health
    credential_id: UUID | None = None
    turns: Turns | None = None


class Upstream(NamedTuple):
    """Times in seconds; ``total``, ``max_body``, ``max_response`` are infinite when unlimited."""

    slug: str
    targets: tuple[Target, ...]
    connect: float
    first_byte: float
    idle: float
    total: float
    max_body: float
    max_response: float
    usage_format: str
    request_weight: int  # units of quota that one call costs
    max_retries: int  # targets that a request may go to after its first
    failure_threshold: int
    health_path: bytes  # under a target's base URL; b"": only what is out is asked
    health_interval: float
    budget: Budget
    models: Models | None  # None: whatever a call names, it goes to any target
    form: str  # of proxy.usage, "" for none: whether answers tell what they used


@veils("credential")
class Row(NamedTuple):
    """One row of ROWS_SQL."""

    slug: str
    is_active: bool
    injection: str
    injection_name: str
    injection_template: str
    connect_ms: int
    first_byte_ms: int
    idle_ms: int
    total_ms: int | None
    max_body: int | None
    max_response: int | None
    tls_verify: bool
    usage_format: str
    request_weight: int
    max_retries: int
    failure_threshold: int
    health_path: str
    health_interval_ms: int
    header_rules: Any
    serves_v1: bool
    models_only: bool
    models: Any
    target_id: UUID | None
    base_url: str
    weight: int
    credential_id: UUID | None
    credential_active: bool | None
    credential: str | None


def upstream_of(row: Row, targets: tuple[Target, ...], before: Upstream | None) -> Upstream:
    return Upstream(
        slug=row.slug,
        targets=targets,
        connect=row.connect_ms / 1000,
        first_byte=row.first_byte_ms / 1000,
        idle=row.idle_ms / 1000,
        total=NEVER if row.total_ms is None else row.total_ms / 1000,
        max_body=NEVER if row.max_body is None else row.max_body,
        max_response=NEVER if row.max_response is None else row.max_response,
        usage_format=row.usage_format,
        request_weight=row.request_weight,
        max_retries=row.max_retries,
        failure_threshold=row.failure_threshold,
        health_path=row.health_path.encode(),
        health_interval=row.health_interval_ms / 1000,
        budget=before.budget if before is not None else Budget(),
        models=models_of(row.models, row.models_only),
        form=row.usage_format if row.usage_format in FORMATS else "",
    )


def target_of(
    rows: Sequence[Row], ring: KeyRing, resting: dict[UUID, float], healths: Mapping[UUID, Health]
) -> tuple[Target | None, list[str]]:
    """One target by all its rows, and what is wrong with credentials left out. None for a
    switched-off upstream, one without targets, and a target whose credentials are all switched off.
    Raises ValueError, EnvelopeError."""
    row = rows[0]
    if not row.is_active or row.target_id is None:
        return None, []
    url = urlsplit(row.base_url)
    if url.scheme not in PORTS or not url.hostname or "@" in url.netloc:
        raise ValueError("its base URL is not http://host or https://host.")
    if url.query or url.fragment:
        raise ValueError("its base URL has a query or a fragment.")
    tls = "" if url.scheme == "http" else "verify" if row.tls_verify else "unverified"
    endpoint = Endpoint(host=url.hostname, port=url.port or PORTS[url.scheme], tls=tls)
    host, prefix = authority(url), url.path.rstrip("/").encode()
    check_rules(row.header_rules, row.injection_name if row.injection == "header" else "")
    rules = rewriting(row.header_rules, REQUEST), rewriting(row.header_rules, RESPONSE)
    injections, lost = injections_of(rows, ring)
    turns = Turns(resting) if len(injections) > 1 else None
    key, health = row.target_id, healths.get(row.target_id) or Health(row.target_id)
    targets = [
        Target(key, row.base_url, endpoint, place, row.weight, health, which, turns)
        for which, put in injections.items()
        for place in (Destination(host, prefix, put, *rules),)
    ]
    if turns is not None:
        turns.targets = tuple(targets)
    return (targets[0] if targets else None), lost


def authority(url: SplitResult) -> bytes:
    """The Host value: the port only where it is not the scheme's own."""
    host = url.hostname or ""
    name = f"[{host}]" if ":" in host else host.encode("idna").decode()
    port = url.port or PORTS[url.scheme]
    return (name if port == PORTS[url.scheme] else f"{name}:{port}").encode()
