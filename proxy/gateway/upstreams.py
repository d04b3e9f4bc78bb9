"""The upstreams as the gateway knows them: read by SQL, rebuilt when the rows changed.

The statements are held equal to proxy.models by tests/gateway/test_upstream_sql.py.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from momentry.common.crypto.errors import EnvelopeError
from momentry.common.crypto.keyring import KeyRing
from momentry.common.veil import veils
from proxy.gateway import injection
from proxy.gateway.balance import Budget
from proxy.gateway.health import Health
from proxy.gateway.hygiene import Destination
from proxy.gateway.pool import Endpoint
from proxy.usage.reported import FORMATS

# Any change of a row changes its xmin, whoever made it; a deletion changes the count.
VERSION_SQL: Final = """
SELECT md5(coalesce(string_agg(id::text || xmin::text, ',' ORDER BY id), ''))
  FROM (SELECT id, xmin FROM proxy_upstream UNION ALL SELECT id, xmin FROM proxy_target) AS rows
"""
ROWS_SQL: Final = """
SELECT u.slug, u.is_active, u.injection, u.injection_name, u.injection_template,
       u.connect_timeout_ms, u.first_byte_timeout_ms, u.idle_timeout_ms, u.total_timeout_ms,
       u.max_body_bytes, u.max_response_bytes, u.tls_verify, u.usage_format, u.request_weight,
       u.max_retries, u.failure_threshold, u.health_path, u.health_interval_ms,
       t.id, t.base_url, t.weight, t.credential
  FROM proxy_upstream u
  LEFT JOIN proxy_target t ON t.upstream_id = u.id AND t.is_active
 ORDER BY u.slug, t.id
"""
CREDENTIAL_TABLE: Final = "proxy_target"
CREDENTIAL_COLUMN: Final = "credential"
NEVER: Final = float("inf")
PORTS: Final = {"http": 80, "https": 443}


class Target(NamedTuple):
    """``name``: the base URL, for the log. ``health`` outlives a reading of the rows."""

    id: UUID
    name: str
    endpoint: Endpoint
    destination: Destination
    weight: int
    health: Health


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
    target_id: UUID | None
    base_url: str
    weight: int
    credential: str | None


class Table:
    """All upstreams by slug. ``version`` is what VERSION_SQL said when they were read; ``out`` are
    the targets that were put out, and those that came back since somebody looked."""

    __slots__ = ("by_slug", "out", "version", "watched")

    def __init__(self) -> None:
        self.by_slug: dict[bytes, Upstream] = {}
        self.out: set[UUID] = set()
        self.watched = False  # an upstream has a health path
        self.version = ""

    def get(self, slug: bytes) -> Upstream | None:
        return self.by_slug.get(slug)

    def replace(self, rows: list[tuple[Any, ...]], ring: KeyRing, version: str) -> list[str]:
        """Take over what was read; returns what is wrong with targets left out, one line each."""
        faults: list[str] = []
        found: dict[bytes, Upstream] = {}
        known = {t.id: t.health for up in self.by_slug.values() for t in up.targets}
        for row in map(Row._make, rows):
            slug = row.slug.encode()
            upstream = found.get(slug) or upstream_of(row, self.by_slug.get(slug))
            try:
                target = target_of(row, ring, known)
            except (ValueError, EnvelopeError) as error:
                faults.append(f"upstream {row.slug}: a target was left out: {error}")
                target = None
            if target is not None:
                target.health.follow(row.failure_threshold, self.out.add)
            targets = (*upstream.targets, target) if target is not None else upstream.targets
            found[slug] = upstream._replace(targets=targets)
        self.by_slug = found
        self.watched = any(upstream.health_path for upstream in found.values())
        self.version = version
        return faults


def upstream_of(row: Row, before: Upstream | None) -> Upstream:
    return Upstream(
        slug=row.slug,
        targets=(),
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
        form=row.usage_format if row.usage_format in FORMATS else "",
    )


def target_of(row: Row, ring: KeyRing, known: Mapping[UUID, Health]) -> Target | None:
    """None for a switched-off upstream or one without targets. ValueError, EnvelopeError."""
    if not row.is_active or row.target_id is None:
        return None
    url = urlsplit(row.base_url)
    if url.scheme not in PORTS or not url.hostname or "@" in url.netloc:
        raise ValueError("its base URL is not http://host or https://host.")
    if url.query or url.fragment:
        raise ValueError("its base URL has a query or a fragment.")
    tls = "" if url.scheme == "http" else "verify" if row.tls_verify else "unverified"
    endpoint = Endpoint(host=url.hostname, port=url.port or PORTS[url.scheme], tls=tls)
    destination = Destination(
        authority(url), url.path.rstrip("/").encode(), injection_of(row, ring)
    )
    health = known.get(row.target_id) or Health(row.target_id)
    return Target(row.target_id, row.base_url, endpoint, destination, row.weight, health)


def authority(url: SplitResult) -> bytes:
    """The Host value: the port only where it is not the scheme's own."""
    host = url.hostname or ""
    name = f"[{host}]" if ":" in host else host.encode("idna").decode()
    port = url.port or PORTS[url.scheme]
    return (name if port == PORTS[url.scheme] else f"{name}:{port}").encode()


def injection_of(row: Row, ring: KeyRing) -> injection.Injection:
    if row.injection == "none" or row.credential is None:
        return injection.NONE
    secret = ring.open(
        row.credential, table=CREDENTIAL_TABLE, column=CREDENTIAL_COLUMN, row_id=row.target_id or ""
    )
    if row.injection == "basic":
        username, _, password = secret.partition(":")
        return injection.basic(username, password)
    if row.injection == "query":
        return injection.query_parameter(row.injection_name, secret)
    return injection.header(f"{row.injection_name}: {row.injection_template}", secret)
