"""What Django does about secrets beyond one look-up; the gateway's is apikeys.gate.prover."""

import functools
import logging
import threading
import time
from typing import Any, Final

from django.db import DatabaseError, InterfaceError, connection, transaction

from apikeys import hasher
from apikeys.gate import imported
from apikeys.gate.alarm import Alarm
from apikeys.gate.effects import Damaged, FindForeign, IsForeign, ProveSlowly, Secret, Upgrade
from apikeys.gate.judge import Policy
from apikeys.gate.lockout import Recent
from apikeys.gate.slow import SlowProofs
from apikeys.gate.snapshot import KeySnapshot

logger: Final = logging.getLogger("momentry.keys")
FOLLOWED_SECONDS: Final = 1.0
AGAIN_SECONDS: Final = 60.0  # after an attempt to store a digest anew, whatever became of it


class Followed:
    """What a statement finds; read at most once a second, by one thread."""

    def __init__(self, statement: str) -> None:
        self.statement = statement
        self.lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        self.found: tuple[Any, ...] = ()
        self.read_again = 0.0

    def read(self) -> tuple[Any, ...]:
        """The first column of its rows."""
        with self.lock:
            if self.read_again <= time.monotonic():
                self.found = tuple(row[0] for row in fetch(self.statement, {}))
                self.read_again = time.monotonic() + FOLLOWED_SECONDS
            return self.found


class Prover:
    """One for all threads of this process."""

    def __init__(self) -> None:
        self.slow = SlowProofs()
        self.alarm = Alarm()
        self.formats = Followed(imported.FORMATS_SQL)
        self.has_slow = Followed(imported.HAS_SLOW_SQL)
        self.tried: Recent[float] = Recent()  # Upgrade.mark → when it may be tried again
        self.lock = threading.Lock()

    def answer(self, effect: Secret | Damaged, rules: Policy) -> Any:
        """Raises Overloaded, and what the database raises."""
        if isinstance(effect, IsForeign):
            return effect.secret.startswith(self.formats.read())
        if isinstance(effect, FindForeign):
            return find(effect)
        if isinstance(effect, ProveSlowly):
            return self.prove(effect)
        if isinstance(effect, Upgrade):
            return self.upgrade(effect, rules)
        assert isinstance(effect, Damaged)  # noqa: S101  the last of them
        return self.alarm.ring(effect.key_id)

    def is_slow(self, name: str) -> bool:
        """May a proof be slow? ``name``: of the hasher. True when nobody can know."""
        if name == hasher.ARGON2ID:
            return True
        try:
            return self.has_slow.read() != (False,)
        except (DatabaseError, InterfaceError):
            return True

    def prove(self, effect: ProveSlowly) -> str | None:
        known = self.slow.known(effect.secret, effect.digests)
        return known or self.slow.prove(effect.secret, effect.digests).result()

    def upgrade(self, effect: Upgrade, rules: Policy) -> None:
        now = time.monotonic()
        with self.lock:
            if self.tried.get(effect.mark, 0.0) > now:
                return
            self.tried.put(effect.mark, now + AGAIN_SECONDS)
        store_anew(effect, rules)


@functools.cache
def get_prover() -> Prover:
    return Prover()


def find(effect: FindForeign) -> tuple[KeySnapshot, ...]:
    return imported.from_rows(fetch(imported.FOREIGN_SQL, imported.parameters(effect)))


def store_anew(effect: Upgrade, rules: Policy) -> None:
    """The request goes on whatever becomes of it; it will be used again."""
    digest = hasher.digest(effect.secret, rules.hasher, rules.peppers)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(imported.UPGRADE_SQL, imported.upgrade_parameters(effect, digest))
    except (DatabaseError, InterfaceError) as error:
        name = type(error).__name__
        logger.warning("a digest of key %s could not be stored anew: %s", effect.key_id, name)


def fetch(statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
