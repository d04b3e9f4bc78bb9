"""The targets of one upstream, replaced as a whole. A base URL tells a target from the others: a
credential never follows to another address, so nobody reads one by having it sent to themselves.
"""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q

from momentry.common.crypto.fields import EncryptedField
from proxy.models import Target, Upstream
from proxy.services.wanted import WantedTarget, check_targets


def replace_targets(upstream: Upstream, wanted: Sequence[WantedTarget]) -> bool:
    """Did anything change? In the transaction of the upstream, whose row is locked. Raises
    ValidationError."""
    check_targets(wanted)
    before = {target.base_url: target for target in upstream.targets.all()}
    kept = {target.base_url for target in wanted}
    gone = [target.pk for base_url, target in before.items() if base_url not in kept]
    Target.objects.filter(pk__in=gone).delete()
    changes = [keep(upstream, before.get(target.base_url), target) for target in wanted]
    return bool(gone) or any(changes)


def keep(upstream: Upstream, found: Target | None, wanted: WantedTarget) -> bool:
    """Nothing is written where nothing changes. A credential that is given is a change, the same
    one too: else whoever may write could try which one it is."""
    target = found or Target(upstream=upstream, base_url=wanted.base_url)
    ends = not wanted.keeps_key and wanted.api_key is None and has_credential(target)
    touched = wanted.api_key is not None or ends
    same = (target.weight, target.is_active) == (wanted.weight, wanted.is_active)
    if found is not None and same and not touched:
        return False
    target.weight, target.is_active = wanted.weight, wanted.is_active
    if touched:
        target.credential = wanted.api_key
    check(target, touched)
    if found is None:
        target.save(force_insert=True)
    else:
        # A credential that stays is not opened: its key may be lost, and the rest is mendable.
        columns = ["weight", "is_active", "updated_at", *(["credential"] if touched else [])]
        target.save(update_fields=columns)
    return True


def has_credential(target: Target) -> bool:
    """Without opening it."""
    field = Target._meta.get_field("credential")
    assert isinstance(field, EncryptedField)  # noqa: S101  a programming error otherwise
    return field.value_from_object(target) is not None


def check(target: Target, touched: bool) -> None:
    left_alone = {"upstream"} if touched else {"upstream", "credential"}
    try:
        target.full_clean(exclude=left_alone, validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        raise ValidationError({"targets": error.messages}) from None


def facts(upstream: Upstream, wanted: Sequence[WantedTarget]) -> list[dict[str, Any]]:
    """For an event: what the targets are from now on, and whose credential was given."""
    given = {target.base_url for target in wanted if target.api_key is not None}
    rows = upstream.targets.annotate(has_key=Q(credential__isnull=False))
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
