"""The chain's two ends and its keys, as the database has them: opened, and refused when they are
not what we signed."""

import hmac
import secrets
from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection

from events.chain.canon import NOWHERE, Link, ends_mac
from events.chainmodels import AuditKey, Chain
from events.models import Event
from momentry.common.crypto.errors import EnvelopeError, UnknownKeyError

LOCK: Final = 0x7365616C65720001  # "sealer" in ASCII
KEY_BYTES: Final = 32


class BrokenError(Exception):
    """The database does not hold what we left in it."""


class UnprovableError(Exception):
    """Nothing can be said: the ring, or what is asked, does not reach."""


@dataclass(frozen=True, slots=True)
class Key:
    id: UUID
    since: int
    secret: bytes


@dataclass(frozen=True, slots=True)
class Ends:
    """``keys`` by the places they begin at; the last one seals."""

    base: Link
    head: Link
    keys: tuple[Key, ...]

    def key_for(self, seq: int) -> bytes:
        place = bisect_right(self.keys, seq, key=lambda key: key.since)
        if not place:
            raise BrokenError(f"The audit key of row {seq} is missing.")
        return self.keys[place - 1].secret


def lock() -> None:
    """One sealer, purge or change of key at a time, to the end of the transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def try_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        return bool(cursor.fetchone()[0])


def read_ends() -> Ends | None:
    """None before the first sealing of all. BrokenError, UnprovableError."""
    keys = tuple(map(opened, AuditKey.objects.order_by("since")))
    row = Chain.objects.first()
    if row is None:
        if keys or Event.objects.filter(seq__isnull=False).exists():
            raise BrokenError("The chain's own row is missing.")
        return None
    newest = keys[-1] if keys else None
    if newest is None or newest.id != row.key_id:
        raise BrokenError("The audit key that sealed last is missing.")
    base = Link(row.base_seq, bytes(row.base_hash))
    head = Link(row.head_seq, bytes(row.head_hash))
    if not hmac.compare_digest(ends_mac(newest.secret, newest.id, base, head), bytes(row.mac)):
        raise BrokenError("The chain's own row was altered.")
    return Ends(base, head, keys)


def opened(row: AuditKey) -> Key:
    try:
        return Key(row.pk, row.since, bytes.fromhex(row.key))
    except UnknownKeyError as error:
        raise UnprovableError(f"An audit key cannot be opened: {error}") from None
    except (EnvelopeError, ValueError):
        raise BrokenError("An audit key was altered.") from None


def begin(after: Link = NOWHERE) -> Ends:
    """A new key, and a chain that begins behind ``after``."""
    key = make_key(since=after.seq + 1)
    ends = Ends(after, after, (key,))
    Chain.objects.update_or_create(pk=1, defaults={"key_id": key.id, **signed(ends)})
    return ends


def make_key(since: int) -> Key:
    row = AuditKey.objects.create(key=secrets.token_bytes(KEY_BYTES).hex(), since=since)
    return opened(row)


def write_ends(before: Ends, after: Ends, **besides: datetime) -> None:
    """Under the lock; whoever writes past it is not overwritten."""
    row = Chain.objects.filter(pk=1, head_seq=before.head.seq, head_hash=before.head.hash)
    if not row.update(key_id=after.keys[-1].id, **signed(after), **besides):
        raise BrokenError("The chain's own row was changed meanwhile.")


def signed(ends: Ends) -> dict[str, object]:
    key = ends.keys[-1]
    return {
        "base_seq": ends.base.seq,
        "base_hash": ends.base.hash,
        "head_seq": ends.head.seq,
        "head_hash": ends.head.hash,
        "mac": ends_mac(key.secret, key.id, ends.base, ends.head),
    }
