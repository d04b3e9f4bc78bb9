"""Ending a hold that was handed out: once, by the caller it was given to, through any process."""

from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction

from apikeys.gate.holds import unspent
from apikeys.gate.sealed import PURPOSE, InvalidHold, SealedHold, unseal
from apikeys.models import SettledHold
from apikeys.services.gate import fetch, give_back
from momentry.common.crypto.keyring import get_ring
from momentry.common.errors import MomentryError

BATCH: Final = 5000
# Of two at once the second waits here for the end of the first.
SETTLE: Final = """
INSERT INTO apikeys_settledhold (id, key_id, tokens, cost_micro, settled_at, ends_at)
SELECT %(id)s, %(key_id)s, %(tokens)s, %(cost_micro)s, statement_timestamp(), %(ends_at)s
 WHERE %(ends_at)s > statement_timestamp()
ON CONFLICT (id) DO NOTHING
RETURNING id
"""
# Kept a day past its end: a clock of the database's that goes back must not open it again.
PURGE: Final = """
DELETE FROM apikeys_settledhold WHERE id IN (
    SELECT id FROM apikeys_settledhold
     WHERE ends_at < statement_timestamp() - interval '1 day'
     LIMIT %(batch)s FOR UPDATE SKIP LOCKED)
"""


@transaction.atomic
def settle_hold(
    text: str, *, caller: str, tokens: int | None, cost_micro: int | None
) -> SettledHold:
    """What was not spent goes back, what was spent beyond is counted; neither given: all goes back.
    Repeated, it changes nothing and tells what was done. MomentryError hold_invalid or
    hold_expired."""
    hold = unsealed(text, caller)
    values: dict[str, Any] = {
        "id": hold.id,
        "key_id": hold.key_id,
        "tokens": tokens,
        "cost_micro": cost_micro,
        "ends_at": hold.ends_at,
    }
    if fetch(SETTLE, values):
        is_refund = tokens is None and cost_micro is None
        give_back(hold.charges if is_refund else unspent(hold.charges, tokens, cost_micro))
    return settled(hold.id)


def unsealed(text: str, caller: str) -> SealedHold:
    try:
        return unseal(text, get_ring().derive_all(PURPOSE), caller=caller)
    except InvalidHold:
        raise MomentryError("hold_invalid") from None


def settled(hold_id: UUID) -> SettledHold:
    found = SettledHold.objects.filter(pk=hold_id).first()
    if found is None:
        raise MomentryError("hold_expired")
    return found


def purge_holds() -> int:
    """Forget holds that ended a day ago; how many there were. Safe to run twice and at once."""
    purged = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(PURGE, {"batch": BATCH})
            gone: int = cursor.rowcount
        purged += gone
        if gone < BATCH:
            return purged
