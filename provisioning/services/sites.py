"""The secrets of a site: exchanged without a pause, told to nobody."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from django.db import transaction

from accounts.models import Site
from events.changes import changes
from events.kinds import Kind
from events.services import record

FIELDS: Final = ("name", "url", "scheme", "rest_username", "disabled_at")


def keep_previous(site: Site, secret: str, *, is_other_scheme: bool = False) -> None:
    """Before the site gets this secret: the one so far is accepted too until it is forgotten. A
    secret of another scheme never is. Nothing is saved."""
    if is_other_scheme:
        site.webhook_secret_previous = None
    elif site.webhook_secret not in {None, secret}:
        site.webhook_secret_previous = site.webhook_secret


@transaction.atomic
def forget_previous_secret(site: Site, *, actor: str) -> bool:
    """False when there is none."""
    site = Site.objects.select_for_update().get(pk=site.pk)
    if site.webhook_secret_previous is None:
        return False
    site.webhook_secret_previous = None
    site.save(update_fields=["webhook_secret_previous"])
    record(Kind.SITE_ROTATED, actor=actor, subject=f"site:{site.pk.hex}")
    return True


def record_change(
    site: Site, before: Mapping[str, Any] | None, *, secrets: Collection[str], actor: str
) -> None:
    """``before``: None for a new one. ``secrets``: those that were given, by their names alone."""
    kind = Kind.SITE_CREATED if before is None else Kind.SITE_UPDATED
    change = changes(before or {}, facts(site))
    change["fields"] = sorted([*change["fields"], *secrets])
    record(kind, actor=actor, subject=f"site:{site.pk.hex}", **change)


def facts(site: Site) -> dict[str, Any]:
    return {name: getattr(site, name) for name in FIELDS}


@transaction.atomic
def record_test(site: Site, *, ok: bool, actor: str) -> None:
    """Staff had its REST API asked with the password that is kept."""
    record(Kind.SITE_TESTED, actor=actor, subject=f"site:{site.pk.hex}", ok=ok)
