"""The credentials of one target, one by one: a second beside the first, then the first off, and no
request between them is without one. Each change is one of the upstream, and an event."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from events.changes import changes
from events.kinds import Kind
from momentry.common.errors import MomentryError
from proxy.models import Target, TargetCredential, Upstream
from proxy.services.targets import empty_old_column
from proxy.services.upstreams import Versions, lock, note
from proxy.services.wanted import check_credential

MAX_CREDENTIALS: Final = 10
CHANGEABLE: Final = ("label", "is_active")
Facts = dict[str, Any]


@transaction.atomic
def add_credential(
    slug: str,
    target_id: UUID,
    made: TargetCredential,
    *,
    actor: str,
    versions: Versions = None,
) -> TargetCredential:
    """A new row for this target. Raises ValidationError, MomentryError not_found and, where it has
    MAX_CREDENTIALS already, conflict."""
    upstream = lock(slug, versions)
    made.target = target_of(upstream, target_id)
    check_credential(str(made.secret))
    check(made)
    if made.target.credentials.count() >= MAX_CREDENTIALS:
        raise MomentryError("conflict", f"A target has at most {MAX_CREDENTIALS} credentials.")
    made.save(force_insert=True)
    tell(upstream, made.target, (None, facts(made)), actor)
    return made


@transaction.atomic
def change_credential(
    slug: str,
    target_id: UUID,
    credential_id: UUID,
    wanted: Mapping[str, Any],
    *,
    actor: str,
    versions: Versions = None,
) -> TargetCredential:
    """``wanted``: some of CHANGEABLE. The secret stays: another one is another credential."""
    upstream = lock(slug, versions)
    found = credential_of(upstream, target_id, credential_id)
    before = facts(found)
    changed = {name: value for name, value in wanted.items() if getattr(found, name) != value}
    for name, value in changed.items():
        setattr(found, name, value)
    check(found)
    if changed:
        found.save(update_fields=list(changed))
        tell(upstream, found.target, (before, facts(found)), actor)
    return found


@transaction.atomic
def delete_credential(
    slug: str, target_id: UUID, credential_id: UUID, *, actor: str, versions: Versions = None
) -> None:
    """With the last one gone, requests go there without any."""
    upstream = lock(slug, versions)
    found = credential_of(upstream, target_id, credential_id)
    tell(upstream, found.target, (facts(found), None), actor)
    found.delete()


def target_of(upstream: Upstream, target_id: UUID) -> Target:
    found = upstream.targets.filter(pk=target_id).first()
    if found is None:
        raise MomentryError("not_found")
    return found


def credential_of(upstream: Upstream, target_id: UUID, credential_id: UUID) -> TargetCredential:
    rows = TargetCredential.objects.select_related("target")
    found = rows.filter(target__upstream=upstream, target=target_id, pk=credential_id).first()
    if found is None:
        raise MomentryError("not_found")
    return found


def check(row: TargetCredential) -> None:
    """The secret is looked at when it is given: later its key may be lost."""
    left_alone = {"target"} if row._state.adding else {"target", "secret"}
    row.full_clean(exclude=left_alone, validate_unique=False, validate_constraints=False)


def tell(
    upstream: Upstream, target: Target, change: tuple[Facts | None, Facts | None], actor: str
) -> None:
    """One credential: there is none before it is added, and none after it is deleted."""
    empty_old_column(target)
    upstream.version += 1
    upstream.save(update_fields=["version", "updated_at"])
    before, after = ([] if found is None else [found] for found in change)
    details = changes({"credentials": before}, {"credentials": after})
    note(Kind.UPSTREAM_UPDATED, upstream, actor, **details)


def facts(row: TargetCredential) -> Facts:
    """Which one it is, never what."""
    shown = {"label": row.label, "is_active": row.is_active}
    return {"base_url": row.target.base_url, "id": str(row.pk), **shown}
