"""Real relays on a database of their own, for tests that kill them."""

import subprocess
from contextlib import ExitStack
from pathlib import Path

from tests.events.hooks import LOOPBACK, Receiver, cause, endpoint
from tests.gateway.conftest import Database
from tests.gateway.households import command

LEFT = """
SELECT (SELECT count(*) FROM events_webhookdelivery WHERE delivered_at IS NULL)
     + (SELECT count(*) FROM events_webhookfanout)
"""
EXPIRE = "UPDATE events_webhookdelivery SET leased_until = now() WHERE lease IS NOT NULL"
DUE = "UPDATE events_webhookdelivery SET next_attempt_at = now() WHERE delivered_at IS NULL"


class House:
    """A database and relays; endpoints on loopback are allowed."""

    def __init__(self, database: Database, place: Path, stack: ExitStack) -> None:
        self.database, self.place, self.stack = database, place, stack
        self.relays: list[subprocess.Popen[bytes]] = []

    def start(self, **given: str) -> "subprocess.Popen[bytes]":
        given = {"DATABASE_URL": self.database.url, "EGRESS_ALLOW": LOOPBACK, **given}
        self.relays.append(command("relay", self.place / "relay.log", given))
        return self.relays[-1]

    def kill(self) -> None:
        for relay in self.relays:
            relay.kill()
            relay.wait()
        self.relays.clear()

    def tell(self, receiver: Receiver, *kinds: str) -> str:
        """The secret of a new endpoint there."""
        with self.database.rows():
            return endpoint(receiver.url, *kinds).secret

    def happen(self, times: int) -> set[str]:
        """The ids of so many events."""
        with self.database.rows():
            return {str(cause().pk) for _ in range(times)}

    def count(self, statement: str) -> int:
        return int(str(self.database.fetch(statement)[0][0]))

    def log(self) -> str:
        return (self.place / "relay.log").read_text()
