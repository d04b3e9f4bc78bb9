"""Asking the other systems about their tokens, and keeping what they say. No connection to the
database is kept while they are asked."""

import logging
from collections import Counter
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from events.kinds import Kind
from momentry.common.crypto.errors import EnvelopeError
from momentry.common.egress.client import PeerError
from momentry.common.errors import MomentryError
from provisioning.models import ExternalToken
from provisioning.services.tokens import Versions, delete_token, lock, note, shown
from provisioning.tokens.base import REFUSED, Asked, Owner, Verdict
from provisioning.tokens.models import State
from provisioning.tokens.registry import PROVIDERS

logger = logging.getLogger(__name__)
GOOD: Final = frozenset({State.VALID, State.LIMITED})
KEPT: Final = 10
TOLD: Final = (
    "state", "reason", "history", "tried_at", "verified_at", "scopes", "username", "broken_since",
)  # fmt: skip
SEALED: Final = Verdict(State.BROKEN, "It does not open: its encryption key is gone. Replace it.")
EXPIRED: Final = REFUSED._replace(reason="It is refused there: it has expired.")


def verify_token(token_id: UUID | str, *, actor: str) -> ExternalToken:
    """The row as it is after its server was asked, which takes 30 seconds at most. MomentryError
    not_found."""
    found = ExternalToken.objects.filter(pk=token_id).first()
    if found is None:
        raise MomentryError("not_found")
    return keep(found.pk, found.version, verdict_on(found), actor=actor)


def verify_tokens(*, actor: str) -> Counter[str]:
    """All of them: how many are in which state now. A server that gives no answer is asked once."""
    states: Counter[str] = Counter()
    silent: dict[str, Verdict] = {}
    for token_id in list(ExternalToken.objects.order_by("pk").values_list("pk", flat=True)):
        found = ExternalToken.objects.filter(pk=token_id).first()
        if found is None:
            continue
        verdict = silent.get(found.base_url) or verdict_on(found)
        if verdict.state == State.UNREACHABLE:
            silent[found.base_url] = verdict
        try:
            kept = keep(found.pk, found.version, verdict, actor=actor)
        except MomentryError:  # it was deleted meanwhile
            continue
        states[kept.state] += 1
    return states


def revoke_token(
    token_id: UUID | str, owner: Owner, *, actor: str, versions: Versions = None
) -> None:
    """Take it back there, then delete it here; where the first fails it stays. MomentryError
    not_found, permission_denied, conflict, upstream_unreachable; ValidationError."""
    with transaction.atomic():
        found = lock(token_id, versions)
        asked = asked_of(found)
    if asked is None:
        raise MomentryError("conflict", SEALED.reason)
    release()
    try:
        PROVIDERS[found.provider].revoke(asked, owner)
    except PeerError as error:
        raise MomentryError("upstream_unreachable", str(error)) from None
    seen = frozenset({found.version})  # a secret that came meanwhile was not taken back
    delete_token(found.pk, actor=actor, versions=seen, revoked=True)


def verdict_on(row: ExternalToken) -> Verdict:
    """A failure of the network is nobody's fault: the token may be as good as ever."""
    asked = asked_of(row)
    if asked is None:
        return SEALED
    release()
    try:
        verdict = PROVIDERS[row.provider].verify(asked)
    except PeerError as error:
        return Verdict(State.UNREACHABLE, str(error)[:200])
    has_ended = row.expires_at is not None and row.expires_at <= timezone.now()
    return EXPIRED if verdict == REFUSED and has_ended else verdict


def asked_of(row: ExternalToken) -> Asked | None:
    """None for one that does not open."""
    try:
        return Asked(row.base_url, row.username, str(row.token))
    except EnvelopeError as error:
        logger.warning("Token %s: %s", row.pk, error)
        return None


def release() -> None:
    """Back to the pool: a server may take its time."""
    if not connection.in_atomic_block:
        connection.close()


@transaction.atomic
def keep(row_id: UUID, version: int, verdict: Verdict, *, actor: str) -> ExternalToken:
    """A verdict on a token that was changed meanwhile is one on another token: it is dropped."""
    row = lock(row_id)
    if row.version != version:
        return row
    now = timezone.now()
    row.tried_at = now
    if (row.state, row.reason) != (verdict.state, verdict.reason):
        entry = {"state": verdict.state, "reason": verdict.reason, "at": now.isoformat()}
        row.history = [entry, *row.history][:KEPT]
    row.state, row.reason = verdict.state, verdict.reason
    if verdict.state != State.UNREACHABLE:
        judge(row, verdict, now, actor)
    row.save(update_fields=TOLD)  # its secret may be one that does not open
    return row


def judge(row: ExternalToken, verdict: Verdict, now: datetime, actor: str) -> None:
    """A break is told once, until the token is good again: a server that was away in between
    neither ends it nor begins another."""
    row.verified_at = now
    if verdict.scopes is not None:
        row.scopes = verdict.scopes
    if verdict.username and not row.username:
        row.username = verdict.username
    if verdict.state == State.BROKEN and row.broken_since is None:
        row.broken_since = now
        note(Kind.TOKEN_BROKEN, row, actor, **shown(row), reason=verdict.reason)
    elif verdict.state in GOOD and row.broken_since is not None:
        note(Kind.TOKEN_REPAIRED, row, actor, **shown(row), since=row.broken_since)
        row.broken_since = None
