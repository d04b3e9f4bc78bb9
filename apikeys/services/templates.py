"""Key templates: kept only when a key could be made from them, and by whoever could make it."""

from collections.abc import Mapping
from typing import Any, Final

from django.db import transaction

from apikeys.models import ApiKey, KeyTemplate, KeyType
from apikeys.services.bounds import faults, specs_in
from apikeys.services.makers import Maker, check_makes_keys, check_reach, check_rights
from apikeys.services.wanted import (
    GrantSpec,
    check_grants,
    check_metadata,
    check_overrides,
    check_role,
    known_scopes,
    refuse,
)
from events.changes import changes, without_ids
from events.kinds import Kind
from events.services import record
from momentry.common.errors import MomentryError

FIELDS: Final = (
    "description", "key_type", "role", "scopes", "tier_id", "expires_in_days", "rotate_every_days",
    "allowed_networks", "metadata", "limits", "grants", "max_scopes", "max_days", "max_limits",
)  # fmt: skip
# Where the faults of a key lie in the template that it would be made from.
PLACES: Final = {"scopes": "scopes", "expires_at": "expires_in_days", "limit_overrides": "limits"}


@transaction.atomic
def save_template(template: KeyTemplate, *, maker: Maker) -> KeyTemplate:
    """Make a template, or keep what changed of one; keys made from it stay as they are. Raises
    MomentryError invalid_input, conflict, insufficient_scope, upstream_forbidden or
    permission_denied, or ValidationError."""
    rows = KeyTemplate.objects.select_for_update().filter(pk=template.pk)
    before: Mapping[str, Any] | None = rows.values(*FIELDS).first()
    adding = template._state.adding
    if adding and before is not None:
        raise MomentryError("conflict", f"There is a template {template.pk}: change that one.")
    if not adding and before is None:
        raise MomentryError("not_found")
    check_template(template)
    check_maker(template, maker)
    after = {name: getattr(template, name) for name in FIELDS}
    if after != before:
        template.full_clean(validate_unique=False)
        template.save(force_insert=adding)
        note(template, before, after, maker)
    return template


def note(
    template: KeyTemplate, before: Mapping[str, Any] | None, after: Mapping[str, Any], maker: Maker
) -> None:
    kind = Kind.KEY_TEMPLATE_UPDATED if before else Kind.KEY_TEMPLATE_CREATED
    made = {"after": without_ids(after)}
    details = changes(without_ids(before), made["after"]) if before else made
    record(kind, actor=maker.actor, subject=f"key-template:{template.pk}", **details)


@transaction.atomic
def delete_template(template: KeyTemplate, *, maker: Maker) -> None:
    """MomentryError conflict while keys remember it; purged ones do not."""
    if not KeyTemplate.objects.select_for_update().filter(pk=template.pk).exists():
        raise MomentryError("not_found")
    if ApiKey.objects.filter(template=template).exists():
        raise MomentryError("conflict", "Keys were made from this template: it still binds them.")
    subject = f"key-template:{template.pk}"
    record(Kind.KEY_TEMPLATE_DELETED, actor=maker.actor, subject=subject)
    template.delete()


def check_template(template: KeyTemplate) -> None:
    """MomentryError invalid_input: the functions that judge a key judge its defaults. Scopes are
    written as they were understood."""
    template.scopes = known_scopes(template.scopes, template.key_type)
    template.max_scopes = known_scopes(template.max_scopes, template.key_type, "max_scopes")
    key = would_be(template)
    check_role(key)
    check_metadata(key.metadata)
    check_named(template.limits, "limits")
    check_named(template.max_limits, "max_limits")
    for name, value in template.max_limits.items():
        if value is None:
            refuse(f"max_limits/{name}", "must be a number: without a bound leave it out")
    check_grants(read_grants(template.grants))
    check_inside(template, key)


def would_be(template: KeyTemplate) -> ApiKey:
    """A key of these defaults, never saved."""
    return ApiKey(
        name="x",
        key_type=template.key_type,
        role=template.role,
        scopes=template.scopes,
        tier_id=template.tier_id,
        metadata=template.metadata,
        template=template,
    )


def check_named(limits: Any, name: str) -> None:
    if not isinstance(limits, dict):
        refuse(name, "must be an object of limits by name")
    check_overrides(limits, f"{name}/")


def read_grants(grants: Any) -> tuple[GrantSpec, ...]:
    """Of JSON that a form may hold anything in."""
    if not isinstance(grants, list):
        refuse("grants", "must be a list")
    for place, row in enumerate(grants):
        if not is_grant(row):
            refuse(f"grants/{place}", 'must be {"upstream": "…", "methods": […], "paths": […]}')
    return specs_in(grants)


def is_grant(row: Any) -> bool:
    if not isinstance(row, dict) or {*row, "models"} != set(GrantSpec._fields):
        return False
    lists = (row["methods"], row["paths"], row.get("models", []))
    texts = (isinstance(text, str) for found in lists if isinstance(found, list) for text in found)
    return (
        isinstance(row["upstream"], str)
        and all(isinstance(found, list) for found in lists)
        and all(texts)
    )


def check_inside(template: KeyTemplate, key: ApiKey) -> None:
    """Only what a default says: what none says is filled in to fit when a key is made."""
    if (template.expires_in_days or 0) > (template.max_days or 36_500):
        refuse("expires_in_days", "is more than max_days")
    for pointer, detail in faults(key, template.limits):
        place, _, name = pointer.partition("/")
        if place == "scopes" or name in template.limits:
            refuse(f"{PLACES[place]}/{name}".rstrip("/"), detail)


def check_maker(template: KeyTemplate, maker: Maker) -> None:
    """Whoever could not make such a key makes no template for one."""
    key = would_be(template)
    check_makes_keys(maker)
    check_rights(maker, key)
    if key.key_type != KeyType.USER:
        check_reach(maker, key, specs_in(template.grants))
