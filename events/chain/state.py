"""The chain's two ends and its keys, as the database has them: opened, and refused when they are
not what we signed."""

import hmac
import secrets
from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection

from events.chain.canon import NOWHERE, Link, ends_mac
from events.chain.rows import fetch
from events.chainmodels import AuditKey, Chain
from momentry.common.crypto.errors import EnvelopeError, UnknownKeyError

LOCK: Final = 0x7365616C65720001  # "sealer" in ASCII
KEY_BYTES: Final = 32
ALTERED: Final = "The chain's own row was altered."
KEY_ALTERED: Final = "An audit key was altered."
# One statement, so one snapshot: a key and the row that is signed with it come together.
READ: Final = """
SELECT k.id, k.since, k.key, c.id, c.key_id, c.mac, c.lost_seq, c.base_seq, c.base_hash,
       c.head_seq, c.head_hash,
       c.id IS NULL AND EXISTS (SELECT FROM events_event WHERE seq IS NOT NULL)
  FROM (VALUES (1)) AS one LEFT JOIN events_auditkey AS k ON true
  LEFT JOIN events_chain AS c ON c.id = 1 ORDER BY k.since
"""


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
    """``keys`` by the places they begin at; the last one seals. Rows up to ``lost`` are from before
    a restart: they stand there, and nothing proves them."""

    base: Link
    head: Link
    keys: tuple[Key, ...]
    lost: int = 0

    def mac(self) -> bytes:
        key = self.keys[-1]
        return ends_mac(key.secret, key.id, self.lost, self.base, self.head)

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
    found = fetch(READ)
    keys = tuple(opened(*row[:3]) for row in found if row[0] is not None)
    *row, has_sealed = found[0][3:]
    if row[0] is None:
        if keys or has_sealed:
            raise BrokenError("The chain's own row is missing.")
        return None
    if None in row:
        raise BrokenError(ALTERED)
    _, key_id, mac, lost, base_seq, base_hash, head_seq, head_hash = row
    if not keys or keys[-1].id != key_id:
        raise BrokenError("The audit key that sealed last is missing.")
    ends = Ends(Link(base_seq, bytes(base_hash)), Link(head_seq, bytes(head_hash)), keys, lost)
    if not hmac.compare_digest(ends.mac(), bytes(mac)):
        raise BrokenError(ALTERED)
    return ends


def opened(ident: UUID, since: int | None, envelope: str | None) -> Key:
    field: Any = AuditKey._meta.get_field("key")
    if since is None or envelope is None:
        raise BrokenError(KEY_ALTERED)
    try:
        return Key(ident, since, bytes.fromhex(field.unseal(ident, envelope)))
    except UnknownKeyError as error:
        raise UnprovableError(f"An audit key cannot be opened: {error}") from None
    except (EnvelopeError, ValueError):
        raise BrokenError(KEY_ALTERED) from None


def begin(after: Link = NOWHERE) -> Ends:
    """A new key, and a chain that begins behind ``after``; what is up to there stays unproved."""
    key = make_key(since=after.seq + 1)
    ends = Ends(after, after, (key,), after.seq)
    Chain.objects.update_or_create(pk=1, defaults={"key_id": key.id, **signed(ends)})
    return ends


def make_key(since: int) -> Key:
    secret = secrets.token_bytes(KEY_BYTES)
    row = AuditKey.objects.create(key=secret.hex(), since=since)
    return Key(row.pk, since, secret)


def write_ends(before: Ends, after: Ends, **besides: datetime) -> None:
    """Under the lock; whoever writes past it is not overwritten."""
    row = Chain.objects.filter(pk=1, head_seq=before.head.seq, head_hash=before.head.hash)
    if not row.update(key_id=after.keys[-1].id, **signed(after), **besides):
        raise BrokenError("The chain's own row was changed meanwhile.")


def signed(ends: Ends) -> dict[str, object]:
    return {
        "lost_seq": ends.lost,
        "base_seq": ends.base.seq,
        "base_hash": ends.base.hash,
        "head_seq": ends.head.seq,
        "head_hash": ends.head.hash,
        "mac": ends.mac(),
    }
