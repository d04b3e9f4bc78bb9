"""How a template fills a new key in, and how far a key made from it may differ, then and later."""

from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any, Final

from django.utils import timezone

from apikeys.gate.scopes import effective
from apikeys.models import ApiKey, KeyTemplate
from apikeys.services.overrides import Overrides, own_limits
from apikeys.services.wanted import GrantSpec, NewKey, refuse
from momentry.common.errors import MomentryError
from momentry.common.scopes import holds, lacking

# What changes which bound: only that is looked at again when a key is changed.
BOUND_BY: Final = {
    "scopes": {"scopes", "role"},
    "expires_at": {"expires_at"},
    "limit_overrides": {"limit_overrides", "tier_id"},
}
DEFAULTS: Final = {field.name: field.default for field in fields(NewKey)}


def template_named(slug: str | None) -> KeyTemplate | None:
    """Locked: it is neither deleted nor changed until the key is there."""
    if slug is None:
        return None
    rows = KeyTemplate.objects.select_for_update(no_key=True)
    return rows.filter(pk=slug).first() or refuse("template", "is not a template")


def fill(new: NewKey, template: KeyTemplate | None) -> NewKey:
    """What was not said comes from the template; metadata and limits are merged by name."""
    if template is None:
        return new
    if new.key_type not in ("", template.key_type):
        refuse("key_type", f"is {template.key_type} in this template")
    usual: dict[str, Any] = {
        "key_type": template.key_type,
        "role": template.role,
        "scopes": tuple(template.scopes) or None,
        "tier": template.tier_id,
        "allowed_networks": tuple(template.allowed_networks),
        "rotate_every_days": template.rotate_every_days,
        "grants": specs_in(template.grants) or None,
        "metadata": {**template.metadata, **new.metadata},
        "limit_overrides": {**template.limits, **new.limit_overrides},
    }
    merged = {"metadata", "limit_overrides"}
    filled = {name: v for name, v in usual.items() if name in merged or not was_said(new, name)}
    if not new.end_given and template.expires_in_days:
        filled["expires_at"] = timezone.now() + timedelta(days=template.expires_in_days)
    return replace(new, **filled)


def was_said(new: NewKey, name: str) -> bool:
    return name in new.said or getattr(new, name) != DEFAULTS[name]


def specs_in(grants: list[dict[str, Any]]) -> tuple[GrantSpec, ...]:
    """A template's grants; its JSON was checked when it was saved."""
    return tuple(
        GrantSpec(
            row["upstream"],
            tuple(row["methods"]),
            tuple(row["paths"]),
            tuple(row.get("models", ())),  # older templates say none
        )
        for row in grants
    )


def narrow(key: ApiKey, template: KeyTemplate, new: NewKey) -> None:
    """What nobody said, neither the request nor the template's defaults, fits its bounds."""
    if new.scopes is None and template.max_scopes:
        bound = frozenset(template.max_scopes)
        key.scopes = [scope for scope in key.scopes if holds(bound, scope)]
    if not new.end_given and template.max_days:
        last = key.created_at + timedelta(days=template.max_days)
        key.expires_at = min(key.expires_at or last, last)


def with_bounds(key: ApiKey, template: KeyTemplate | None, wanted: Overrides) -> Overrides:
    """Every bounded limit is an override of the key's own: its tier may be raised later."""
    if template is None:
        return wanted
    limits = own_limits(key, {})
    return {**{name: min(limits[name] or bound, bound) for name, bound in
               template.max_limits.items()}, **wanted}  # fmt: skip


def check_bounds(key: ApiKey, overrides: Overrides, changed: set[str] | None = None) -> None:
    """MomentryError invalid_input when what changed (None: all) is outside its template's."""
    for pointer, detail in faults(key, overrides):
        if changed is None or changed & BOUND_BY[pointer.partition("/")[0]]:
            refuse(pointer, detail)


def check_still_inside(key: ApiKey, overrides: Overrides) -> None:
    """MomentryError conflict: the template was narrowed, and the key has to follow it first."""
    for pointer, detail in faults(key, overrides):
        raise MomentryError("conflict", f"Change the key first: its {pointer} {detail}.")


def faults(key: ApiKey, overrides: Overrides) -> Iterator[tuple[str, str]]:
    """Where the key is outside its template's bounds, and how."""
    template = key.template
    if template is None:
        return
    named = f"by the template {template.slug}"
    held = effective(frozenset(key.scopes), key.role, key.key_type)
    if template.max_scopes and (extra := lacking(frozenset(template.max_scopes), held)):
        yield "scopes", f"are bounded {named}, which has no {', '.join(extra)}"
    if template.max_days:
        last = key.created_at + timedelta(days=template.max_days)
        if key.expires_at is None or key.expires_at > last:
            yield "expires_at", f"is at most {last:%Y-%m-%dT%H:%M:%SZ} {named}"
    limits = own_limits(key, overrides)
    for name, bound in template.max_limits.items():
        found = limits[name]
        if found is None or found > bound:
            yield f"limit_overrides/{name}", f"is at most {bound} {named}"
