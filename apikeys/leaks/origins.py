"""Public keys of whoever may report leaks: those that are given, and the origin's own list.

The list is kept in this process only. It is asked for when it is an hour old, or when somebody
names a key that it lacks; and rarely, however many name such keys.
"""

import math
import threading
from functools import cache
from time import monotonic
from typing import Final

from apikeys.leaks.settings import Origin
from apikeys.leaks.signature import BadKeysError, PublicKey, read_keys
from momentry.common.egress.client import Client, PeerError, Step

FRESH_SECONDS: Final = 3600.0
STALE_SECONDS: Final = 86_400.0  # so long are keys believed whose list cannot be read anew
AGAIN_SECONDS: Final = 300.0  # GitHub lets an address ask 60 times in an hour
AGAIN_AFTER_FAULT_SECONDS: Final = 30.0
NEVER: Final = -1e9
TIMEOUT_SECONDS: Final = 5.0
LARGEST_LIST: Final = 256 * 1024


class NotReadAgainError(Exception):
    """The list lacks the name, but it was read before that was asked for, and it is too soon to
    read it again: the key may be a new one."""

    def __init__(self, seconds: float) -> None:
        self.retry_after = max(1, math.ceil(seconds))
        super().__init__()


def find_public_key(origin: Origin, name: str) -> PublicKey | None:
    """None when the origin has no such key. Raises PeerError when nobody can tell, and
    NotReadAgainError when not yet."""
    if (given := origin.keys.get(name)) is not None or not origin.url:
        return given
    return list_at(origin.url).find(name)


class KeyList:
    """Safe for threads: of those that need it at once one asks. Who names a key that is known does
    not wait for that; the others do."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.lock = threading.Lock()
        self.known: dict[str, PublicKey] = {}
        self.read_at = self.asked_at = NEVER
        self.fault = ""

    def find(self, name: str) -> PublicKey | None:
        now = monotonic()
        known = self.believed(name, now)
        if not self.lock.acquire(blocking=known is None):
            return known
        try:
            if self.is_due(name, now):
                self.ask(now)
            found = self.believed(name, now)
            if found is None and self.fault:
                raise PeerError(Step.CONNECT, self.fault)
            if found is None and self.read_at < now:
                raise NotReadAgainError(self.asked_at + AGAIN_SECONDS - now)
            return found
        finally:
            self.lock.release()

    def believed(self, name: str, now: float) -> PublicKey | None:
        return self.known.get(name) if now - self.read_at <= STALE_SECONDS else None

    def is_due(self, name: str, now: float) -> bool:
        rest = AGAIN_AFTER_FAULT_SECONDS if self.fault else AGAIN_SECONDS
        is_old = now - self.read_at > FRESH_SECONDS
        return (is_old or name not in self.known) and now - self.asked_at > rest

    def ask(self, now: float) -> None:
        self.asked_at = now
        try:
            self.known = fetch(self.url)
        except PeerError as error:
            self.fault = str(error)
        else:
            self.fault, self.read_at = "", now


@cache
def list_at(url: str) -> KeyList:
    return KeyList(url)


def fetch(url: str) -> dict[str, PublicKey]:
    """Raises PeerError."""
    client = Client(url, timeout=TIMEOUT_SECONDS, max_bytes=LARGEST_LIST)
    answer = client.send("GET", "", headers={"Accept": "application/json"})
    if answer.status != 200:
        raise PeerError(Step.PROTOCOL, f"It answers {answer.status}.")
    try:
        return read_keys(answer.json())
    except BadKeysError:
        raise PeerError(Step.PROTOCOL, "Its answer is no list of public keys.") from None
