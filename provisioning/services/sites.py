"""The secrets of a site: exchanged without a pause, told to nobody."""

from django.db import transaction

from accounts.models import Site
from events.kinds import Kind
from events.services import record


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


def record_change(site: Site, *, actor: str, fields: list[str], created: bool) -> None:
    kind = Kind.SITE_CREATED if created else Kind.SITE_UPDATED
    record(kind, actor=actor, subject=f"site:{site.pk.hex}", fields=sorted(fields))
