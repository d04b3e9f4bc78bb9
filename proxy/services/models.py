"""The models an upstream offers. Each change is one of the upstream, and an event."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from events.changes import changes
from events.kinds import Kind
from momentry.common.errors import MomentryError
from proxy.models import Upstream, UpstreamModel, UsageFormat
from proxy.services.upstreams import Versions, lock, note

MAX_MODELS: Final = 200
CHANGEABLE: Final = ("sent_as", "targets", "is_active")
Facts = dict[str, Any]


@transaction.atomic
def add_model(
    slug: str, made: UpstreamModel, *, actor: str, versions: Versions = None
) -> UpstreamModel:
    """Raises ValidationError; MomentryError not_found, and conflict where there is one of this name
    or MAX_MODELS already."""
    upstream = made.upstream = lock(slug, versions)
    if upstream.usage_format == UsageFormat.NONE:
        raise ValidationError({"name": "The upstream's usage format is none: no call tells one."})
    check(made)
    if upstream.models.count() >= MAX_MODELS:
        raise MomentryError("conflict", f"An upstream has at most {MAX_MODELS} models.")
    try:
        with transaction.atomic():
            made.save(force_insert=True)
    except IntegrityError:
        raise MomentryError("conflict", f"There is a model {made.name}.") from None
    tell(upstream, None, facts(made), actor)
    return made


@transaction.atomic
def change_model(
    slug: str, pk: UUID, wanted: Mapping[str, Any], *, actor: str, versions: Versions = None
) -> UpstreamModel:
    """``wanted``: some of CHANGEABLE. The name stays: clients and grants say it."""
    upstream = lock(slug, versions)
    found = model_of(upstream, pk)
    before = facts(found)
    changed = {name: value for name, value in wanted.items() if getattr(found, name) != value}
    for name, value in changed.items():
        setattr(found, name, value)
    check(found)
    if changed:
        found.save(update_fields=list(changed))
        tell(upstream, before, facts(found), actor)
    return found


@transaction.atomic
def delete_model(slug: str, pk: UUID, *, actor: str, versions: Versions = None) -> None:
    upstream = lock(slug, versions)
    found = model_of(upstream, pk)
    tell(upstream, facts(found), None, actor)
    found.delete()


def model_of(upstream: Upstream, pk: UUID) -> UpstreamModel:
    found = UpstreamModel.objects.filter(upstream=upstream, pk=pk).first()
    if found is None:
        raise MomentryError("not_found")
    return found


def check(row: UpstreamModel) -> None:
    row.full_clean(exclude={"upstream"}, validate_unique=False, validate_constraints=False)
    known = set(row.upstream.targets.values_list("base_url", flat=True))
    if not known.issuperset(row.targets):
        raise ValidationError({"targets": "Base URLs of targets that the upstream has."})


def tell(upstream: Upstream, before: Facts | None, after: Facts | None, actor: str) -> None:
    """One model: there is none before it is added, and none after it is deleted."""
    upstream.version += 1
    upstream.save(update_fields=["version", "updated_at"])
    change = changes({"models": listed(before)}, {"models": listed(after)})
    note(Kind.UPSTREAM_UPDATED, upstream, actor, **change)


def facts(row: UpstreamModel) -> Facts:
    return {name: getattr(row, name) for name in ("name", *CHANGEABLE)}


def listed(found: Facts | None) -> list[Facts]:
    return [] if found is None else [found]
