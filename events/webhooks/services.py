"""Endpoints: made, changed, let go, rotated and pinged, each change an event without the secret."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from events.hookmodels import DisabledFor, WebhookDelivery, WebhookEndpoint
from events.kinds import Kind
from events.services import record
from events.webhooks.addresses import check_url
from events.webhooks.facts import facts
from events.webhooks.secrets import CROWDED, MOST_FORMER, count_formers, replace_secret
from momentry.common.crypto.errors import EnvelopeError
from momentry.common.crypto.generate import webhook_secret
from momentry.common.errors import MomentryError
from momentry.common.veil import veils

logger = logging.getLogger(__name__)

GRACE: Final = timedelta(hours=24)
FIELDS: Final = ("url", "description", "kinds")
# One that does not open is in nobody's way.
UNSEEN: Final = {"secret", "former_secrets", "sealed_url"}
GIVEN: Final = "WEBHOOK_URL and WEBHOOK_SECRET say all of this endpoint."
Versions = frozenset[int] | None

whom_it_concerns: Final[list[Callable[[WebhookEndpoint], None]]] = []
"""Called in the transaction in which the relay disables an endpoint."""


class WantedEndpoint(NamedTuple):
    url: str
    kinds: Sequence[str]
    description: str = ""


@veils("secret")
class IssuedEndpoint(NamedTuple):
    """The one time that the secret is told."""

    endpoint: WebhookEndpoint
    secret: str


def create_endpoint(wanted: WantedEndpoint, *, actor: str) -> IssuedEndpoint:
    """Raises ValidationError."""
    check_url(wanted.url)
    return make_endpoint(wanted, actor=actor)


@transaction.atomic
def make_endpoint(wanted: WantedEndpoint, *, actor: str) -> IssuedEndpoint:
    """Of a URL that was checked before the transaction. Raises ValidationError."""
    secret = webhook_secret()
    made = WebhookEndpoint(**wanted._asdict(), secret=secret)
    made.full_clean()
    made.save()
    note(Kind.WEBHOOK_CREATED, made, actor, host=made.host, kinds=made.kinds)
    return IssuedEndpoint(made, secret)


def change_endpoint(
    pk: UUID | str, wanted: Mapping[str, Any], *, actor: str, versions: Versions = None
) -> WebhookEndpoint:
    """``wanted``: some of FIELDS, and ``is_active``. Raises ValidationError and MomentryError
    not_found, conflict, precondition_failed."""
    if "url" in wanted:
        check_url(wanted["url"])
    return apply_changes(pk, wanted, actor=actor, versions=versions)


def apply_changes(
    pk: UUID | str, wanted: Mapping[str, Any], *, actor: str, versions: Versions = None
) -> WebhookEndpoint:
    """As change_endpoint(), to a URL that was checked before the transaction."""
    with transaction.atomic():
        found = lock(pk, versions)
        if set(wanted) & set(FIELDS):  # who is disabled for failing may be enabled
            refuse_given(found)
        changed = {name: wanted[name] for name in FIELDS if differs(found, name, wanted)}
        is_switched = wanted.get("is_active", found.is_active) != found.is_active
        if not changed and not is_switched:
            return found
        before = facts(found, changed)
        for name, value in changed.items():
            setattr(found, name, value)
        unseen = UNSEEN - ({"sealed_url"} if "url" in changed else set())
        found.full_clean(exclude=unseen | (set(FIELDS) - set(changed)))
        if "url" in changed:
            found.succeeded_at = found.failed_at = found.failing_since = None
        if is_switched:
            switch(found, timezone.now())
        keep(found)
        note_change(found, actor, before)
        if is_switched:
            note_switch(found, actor)
    return found


def differs(row: WebhookEndpoint, name: str, wanted: Mapping[str, Any]) -> bool:
    """A URL that does not open any more is another one."""
    try:
        return name in wanted and getattr(row, name) != wanted[name]
    except EnvelopeError:
        return True


def switch(row: WebhookEndpoint, now: datetime) -> None:
    """Off, or on again with a clean slate: what waited is due at once."""
    if row.is_active:
        row.disabled_at, row.disabled_for = now, DisabledFor.STAFF
    else:
        row.disabled_at, row.disabled_for, row.failing_since = None, "", None


def note_change(row: WebhookEndpoint, actor: str, before: Mapping[str, Any]) -> None:
    """``before``: the facts that were to be changed."""
    if before:
        after = facts(row, before)
        note(Kind.WEBHOOK_UPDATED, row, actor, fields=list(before), before=before, after=after)


def note_switch(row: WebhookEndpoint, actor: str) -> None:
    if row.is_active:
        note(Kind.WEBHOOK_ENABLED, row, actor)
    else:
        note(Kind.WEBHOOK_DISABLED, row, actor, cause=row.disabled_for)


@transaction.atomic
def set_active(row: WebhookEndpoint, is_active: bool, *, actor: str) -> bool:
    """The environment's too: it may have been disabled for its failures. False: it was so."""
    found = lock(row.pk)
    if found.is_active == is_active:
        return False
    switch(found, timezone.now())
    keep(found)
    note_switch(found, actor)
    return True


@transaction.atomic
def delete_endpoint(pk: UUID | str, *, actor: str, versions: Versions = None) -> None:
    """With its deliveries: what waits is not sent any more."""
    found = lock(pk, versions)
    refuse_given(found)
    note(Kind.WEBHOOK_DELETED, found, actor, host=found.host, kinds=found.kinds)
    found.delete()


@transaction.atomic
def rotate_secret(
    pk: UUID | str, *, actor: str, grace: timedelta = GRACE, versions: Versions = None
) -> IssuedEndpoint:
    """A new secret; those that sign so far sign beside it, the last one until the grace is over.
    MomentryError rotation_in_progress when MOST_FORMER would be exceeded: nobody's is cut off."""
    found = lock(pk, versions)
    refuse_given(found)
    now = timezone.now()
    if grace and count_formers(found, now) >= MOST_FORMER:
        raise MomentryError("rotation_in_progress", CROWDED)
    secret = webhook_secret()
    replace_secret(found, secret, now, grace)
    keep(found)
    note(Kind.WEBHOOK_ROTATED, found, actor, grace_seconds=int(grace.total_seconds()))
    return IssuedEndpoint(found, secret)


@transaction.atomic
def ping(pk: UUID | str, *, actor: str) -> WebhookDelivery:
    """An event for this endpoint alone, whatever its filter: to see whether one arrives."""
    found = lock(pk)
    if not found.is_active:
        raise MomentryError("conflict", "The endpoint is disabled: enable it first.")
    event = record(Kind.WEBHOOK_PING, actor=actor, subject=subject(found))
    return WebhookDelivery.objects.get(event=event, endpoint=found)


@transaction.atomic
def give_up(pk: UUID, cause: DisabledFor) -> bool:
    """The relay disables what is gone, or failed for too long; staff are told."""
    found = WebhookEndpoint.objects.select_for_update().filter(pk=pk, disabled_at=None).first()
    if found is None:
        return False
    found.disabled_at, found.disabled_for = timezone.now(), cause
    keep(found)
    note(Kind.WEBHOOK_DISABLED, found, "relay", cause=cause)
    for tell in whom_it_concerns:
        tell_or_log(tell, found)
    return True


def tell_or_log(tell: Callable[[WebhookEndpoint], None], row: WebhookEndpoint) -> None:
    """It is disabled whether anybody can be told or not."""
    try:
        with transaction.atomic():
            tell(row)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # whatever they made of it
        given = {"endpoint": str(row.pk), "error": type(error).__name__}
        logger.exception("nobody was told of a disabled webhook endpoint", extra=given)


def lock(pk: UUID | str, versions: Versions = None) -> WebhookEndpoint:
    found = WebhookEndpoint.objects.select_for_update().filter(pk=pk).first()
    if found is None:
        raise MomentryError("not_found")
    if versions is not None and found.version not in versions:
        now = f"The endpoint is at version {found.version} now."
        raise MomentryError("precondition_failed", now)
    return found


def refuse_given(row: WebhookEndpoint) -> None:
    if row.is_environment and row.disabled_for != DisabledFor.UNSET:
        raise MomentryError("conflict", GIVEN)


def keep(row: WebhookEndpoint) -> None:
    row.version += 1
    row.save()


def subject(row: WebhookEndpoint) -> str:
    return f"webhook:{row.pk.hex}"


def note(kind: Kind, row: WebhookEndpoint, actor: str, **details: Any) -> None:
    record(kind, actor=actor, subject=subject(row), **details)
