"""Keys with limits for the gateway's tests, and an upstream that counts what runs at once."""

import threading
import time
import uuid

from redis import Redis

from tests.gateway.conftest import Database
from tests.gateway.wire import Server, Wire

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def limited(database: Database, **limits: int | None) -> str:
    """The key of a new member whose tier has these limits."""
    name = f"b{uuid.uuid4().hex[:8]}"
    secret = database.key_for(name, "echo quick dead small off")
    for column, value in limits.items():
        database.change(
            f"UPDATE apikeys_tier SET {column} = %s WHERE slug = %s", value, f"tier-{name}"
        )
    return secret


def subject_of(database: Database, secret: str) -> str:
    key_id = uuid.UUID(secret.split("_")[1])
    ((owner,),) = database.fetch("SELECT owner_id FROM apikeys_apikey WHERE id = %s", key_id)
    assert isinstance(owner, uuid.UUID)
    return f"member:{owner.hex}"


def room(seconds: float) -> None:
    """Windows are minutes of the clock: the test must not meet the end of one."""
    rest = 60 - time.time() % 60
    if rest < seconds:
        time.sleep(rest + 0.1)


def slots(redis: Redis, subject: str) -> int:
    found = redis.zcard(f"momentry:slots:{subject}")
    assert isinstance(found, int)
    return found


class Slow:
    """Answers after some time; ``peak`` is the most that ran at once."""

    def __init__(self, upstream: Server, seconds: float = 0.1) -> None:
        self.path = f"/slow-{uuid.uuid4().hex[:8]}"
        self.seconds = seconds
        self.lock = threading.Lock()
        self.running = self.peak = self.served = 0
        upstream.on(self.path, self.answer)

    def answer(self, wire: Wire, _head: bytes) -> None:
        with self.lock:
            self.running += 1
            self.served += 1
            self.peak = max(self.peak, self.running)
        time.sleep(self.seconds)
        with self.lock:
            self.running -= 1
        wire.send(OK)
