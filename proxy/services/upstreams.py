"""Upstreams: made, changed and deleted, with their targets, each change an event. The gateways
follow before the answer (momentry.common.fence)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.db import IntegrityError, transaction

from apikeys.services.grants import delete_grants_on
from events.changes import changes
from events.kinds import Kind
from events.services import record
from momentry.common.errors import MomentryError
from momentry.common.models import Once
from proxy.models import Upstream, UsageFormat
from proxy.services.targets import facts, replace_targets
from proxy.services.wanted import WantedTarget, check_upstream

FIELDS: Final = (
    "name", "is_active", "injection", "injection_name", "injection_template", "connect_timeout_ms",
    "first_byte_timeout_ms", "idle_timeout_ms", "total_timeout_ms", "max_body_bytes",
    "max_response_bytes", "tls_verify", "usage_format", "request_weight", "max_retries",
    "failure_threshold", "health_path", "health_interval_ms", "header_rules", "serves_v1",
    "models_only",
)  # fmt: skip
# Whoever deletes an upstream knows of the table: nothing is imported into it any more.
UPSTREAMS_DECIDED: Final = "upstreams decided"
V1_TAKEN: Final = "Another upstream serves /v1: take it from that one first."
Versions = frozenset[int] | None


@transaction.atomic
def make_upstream(
    upstream: Upstream, targets: Sequence[WantedTarget] = (), *, actor: str
) -> Upstream:
    """A new row with its targets. Raises ValidationError, or MomentryError conflict when there is
    one of this slug."""
    check_upstream(upstream)
    check_v1(upstream)
    try:
        with transaction.atomic():
            upstream.save(force_insert=True)
    except IntegrityError:
        check_v1(upstream)  # by another one that was made at the same time
        what = f"There is an upstream {upstream.slug}: change that one."
        raise MomentryError("conflict", what) from None
    replace_targets(upstream, targets)
    details = {name: getattr(upstream, name) for name in FIELDS}
    note(Kind.UPSTREAM_CREATED, upstream, actor, **details, targets=facts(upstream, targets))
    return upstream


@transaction.atomic
def change_upstream(
    slug: str,
    wanted: Mapping[str, Any],
    targets: Sequence[WantedTarget] | None = None,
    *,
    actor: str,
    versions: Versions = None,
) -> Upstream:
    """The upstream as it is now. ``wanted``: some of FIELDS; ``targets``: all that it has from now
    on, None when they stay. ``versions``: those the caller has seen, or MomentryError
    precondition_failed. Raises ValidationError."""
    upstream = lock(slug, versions)
    changed = {name: value for name, value in wanted.items() if getattr(upstream, name) != value}
    before = {name: getattr(upstream, name) for name in changed}
    if targets is not None:
        before["targets"] = facts(upstream)
    for name, value in changed.items():
        setattr(upstream, name, value)
    check_upstream(upstream)
    check_v1(upstream)
    after: dict[str, Any] = dict(changed)
    if targets is not None and replace_targets(upstream, targets):
        after["targets"] = facts(upstream, targets)
    if after:
        upstream.version += 1
        try:
            with transaction.atomic():
                upstream.save(update_fields=[*changed, "version", "updated_at"])
        except IntegrityError:
            raise MomentryError("conflict", V1_TAKEN) from None
        note(Kind.UPSTREAM_UPDATED, upstream, actor, **changes(before, after))
    return upstream


@transaction.atomic
def delete_upstream(slug: str, *, actor: str, versions: Versions = None) -> None:
    """With its targets and all grants on it; log rows keep the slug. MomentryError conflict where
    that would give a key more than it has."""
    upstream = lock(slug, versions)
    grants = delete_grants_on(slug)
    note(Kind.UPSTREAM_DELETED, upstream, actor, name=upstream.name, grants=grants)
    upstream.delete()
    Once.objects.get_or_create(name=UPSTREAMS_DECIDED)


def check_v1(upstream: Upstream) -> None:
    """Raises MomentryError conflict where another one serves it."""
    others = Upstream.objects.filter(serves_v1=True).exclude(pk=upstream.pk)
    if upstream.serves_v1 and others.exists():
        raise MomentryError("conflict", V1_TAKEN)


def lock(slug: str, versions: Versions) -> Upstream:
    upstream = Upstream.objects.select_for_update().filter(slug=slug).first()
    if upstream is None:
        raise MomentryError("not_found")
    if versions is not None and upstream.version not in versions:
        what = f"The upstream is at version {upstream.version} now."
        raise MomentryError("precondition_failed", what)
    return upstream


def note(kind: Kind, upstream: Upstream, actor: str, **details: Any) -> None:
    record(kind, actor=actor, subject=f"upstream:{upstream.slug}", **details)


def is_metered(slug: str) -> bool:
    """Do its answers tell what its calls use?"""
    metered = Upstream.objects.exclude(usage_format=UsageFormat.NONE)
    return metered.filter(slug=slug).exists()
