"""The targets of one upstream, replaced as a whole. A base URL tells a target from the others: a
credential never follows to another address, so nobody reads one by having it sent to themselves.
"""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef

from proxy.models import Target, TargetCredential, Upstream
from proxy.services.wanted import WantedTarget, check_targets


def replace_targets(upstream: Upstream, wanted: Sequence[WantedTarget]) -> bool:
    """Did anything change? In the transaction of the upstream, whose row is locked. Raises
    ValidationError."""
    check_targets(wanted)
    rows = upstream.targets.prefetch_related("credentials")
    before = {target.base_url: target for target in rows}
    kept = {target.base_url for target in wanted}
    gone = [target.pk for base_url, target in before.items() if base_url not in kept]
    Target.objects.filter(pk__in=gone).delete()
    changes = [keep(upstream, before.get(target.base_url), target) for target in wanted]
    return bool(gone) or any(changes)


def keep(upstream: Upstream, found: Target | None, wanted: WantedTarget) -> bool:
    """Nothing is written where nothing changes. A credential that is given is a change, the same
    one too: else whoever may write could try which one it is."""
    target = found or Target(upstream=upstream, base_url=wanted.base_url)
    has_any = found is not None and bool(found.credentials.all())
    ends = not wanted.keeps_key and wanted.api_key is None and has_any
    touched = wanted.api_key is not None or ends
    same = (target.weight, target.is_active) == (wanted.weight, wanted.is_active)
    if found is not None and same and not touched:
        return False
    target.weight, target.is_active = wanted.weight, wanted.is_active
    check(target)
    if found is None:
        target.save(force_insert=True)
    else:
        target.save(update_fields=["weight", "is_active", "updated_at"])
    if touched:
        replace_credentials(target, wanted.api_key)
    return True


def replace_credentials(target: Target, secret: str | None) -> None:
    """By the one that is given, or by none. Credentials that stay are never opened: a key may be
    lost, and the rest is mendable."""
    target.credentials.all().delete()
    empty_old_column(target)
    if secret is not None:
        made = TargetCredential(target=target, secret=secret)
        check_row(made, {"target"})
        made.save(force_insert=True)


def empty_old_column(target: Target) -> None:
    """What the release before left there has ended or is sealed in a row of its own."""
    Target.objects.filter(pk=target.pk, credential__isnull=False).update(credential=None)


def check(target: Target) -> None:
    check_row(target, {"upstream", "credential"})


def check_row(row: Target | TargetCredential, left_alone: set[str]) -> None:
    try:
        row.full_clean(exclude=left_alone, validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        raise ValidationError({"targets": error.messages}) from None


def facts(upstream: Upstream, wanted: Sequence[WantedTarget] = ()) -> list[dict[str, Any]]:
    """For an event: what the targets are, and whose credential was given just now."""
    given = {target.base_url for target in wanted if target.api_key is not None}
    own = TargetCredential.objects.filter(target=OuterRef("pk"))
    rows = upstream.targets.annotate(has_key=Exists(own))
    return [
        {
            "base_url": base_url,
            "weight": weight,
            "is_active": is_active,
            "credential": "new" if base_url in given else "kept" if has_key else "none",
        }
        for base_url, weight, is_active, has_key in rows.values_list(
            "base_url", "weight", "is_active", "has_key"
        )
    ]
