"""When keys were last used, coalesced: never a write per request. Pure; the doors send the SQL."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

INTERVAL: Final = 60.0  # seconds between two writes of one key by one process
TRIES: Final = 5  # then a use whose row was always busy, or is gone, is forgotten

# A row that somebody holds is left for the next time: this waits for nobody and, locking in id
# order, deadlocks with nobody. NO KEY leaves rows that refer to the key free to be made.
WRITE_SQL: Final = """
WITH used AS (
    SELECT * FROM unnest(%s::uuid[], %s::timestamptz[]) AS used(id, at)
), held AS MATERIALIZED (
    SELECT k.id FROM apikeys_apikey k
     WHERE k.id IN (SELECT id FROM used)
     ORDER BY k.id
       FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE apikeys_apikey k SET last_used_at = greatest(k.last_used_at, used.at)
  FROM used JOIN held USING (id)
 WHERE k.id = used.id
RETURNING k.id
"""
# Without a memory of its own a process looks at the row.
TOUCH_SQL: Final = f"""
UPDATE apikeys_apikey SET last_used_at = %(at)s
 WHERE id IN (SELECT id FROM apikeys_apikey
               WHERE id = %(id)s
                 AND (last_used_at IS NULL OR last_used_at <= %(at)s - interval '{INTERVAL:.0f} s')
                 FOR NO KEY UPDATE SKIP LOCKED)
"""  # noqa: S608  only our own number


class LastUses:
    """One process's uses that are not written yet, by the numbers of the keys' ids: what a UUID
    hashes and compares by is Python code. ``now``: seconds of a clock that never goes back."""

    __slots__ = ("misses", "newest", "written_at")

    def __init__(self) -> None:
        self.newest: dict[int, datetime] = {}
        self.written_at: dict[int, float] = {}  # oldest first; younger than INTERVAL
        self.misses: dict[int, int] = {}

    def add(self, key_id: UUID, at: datetime) -> None:
        self.newest[key_id.int] = at

    def due(self, now: float) -> dict[UUID, datetime]:
        """What may be written now."""
        for number, at in list(self.written_at.items()):
            if now - at < INTERVAL:
                break
            del self.written_at[number]
        return self.of(self.newest.keys() - self.written_at.keys())

    def every(self) -> dict[UUID, datetime]:
        return self.of(self.newest)

    def of(self, numbers: Iterable[int]) -> dict[UUID, datetime]:
        return {UUID(int=number): self.newest[number] for number in numbers}

    def settle(self, sent: dict[UUID, datetime], written: Collection[UUID], now: float) -> None:
        """Of what was sent so much was written; the rest is tried again, some times."""
        for key_id, at in sent.items():
            number = key_id.int
            misses = self.misses.pop(number, 0)
            if key_id not in written and misses + 1 < TRIES:
                self.misses[number] = misses + 1
                continue
            self.written_at[number] = now
            if self.newest[number] == at:  # else: used again meanwhile
                del self.newest[number]
