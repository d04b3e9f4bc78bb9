"""Argon2id beside the requests: one thread per process, few waiting, and what was proven already.

Both doors use it; neither the event loop nor more than one core ever waits for a hash.
"""

import hashlib
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from apikeys import phc
from apikeys.gate.effects import Overloaded
from apikeys.gate.lockout import Recent

T = TypeVar("T")
Now = Callable[[], float]

QUEUE: Final = 32  # at work or waiting; one more is refused
WAIT_SECONDS: Final = 3.0  # who waited so long may have left: the work is dropped
KNOWN_SECONDS: Final = 300.0
PERSON: Final = b"momentry slow"
# Each of these leaves so long after its head (DESIGN §5), so that time does not tell how a secret
# was wrong, nor what exists: the second where a proof may be slow, whether or not this one was.
PACED: Final = frozenset(("invalid_key", "locked_out"))
REFUSAL_SECONDS: Final = 0.011
SLOW_REFUSAL_SECONDS: Final = 0.1


class SlowProofs:
    """Thread-safe. A proof is remembered under the secret and the digest's own text, so that it
    ends with the digest, whatever ends that."""

    def __init__(self, now: Now = time.monotonic) -> None:
        self.now = now
        self.key = os.urandom(32)
        self.lock = threading.Lock()
        self.proven: Recent[float] = Recent()  # until
        self.running: dict[str, Future[str | None]] = {}
        self.waiting = 0
        self.thread: ThreadPoolExecutor | None = None  # made at need: a fork would lose it

    def known(self, secret: str, digests: tuple[str, ...]) -> str | None:
        """The digest that this secret has proven of late."""
        now = self.now()
        for digest in digests:
            mark = self.mark(secret, digest)
            with self.lock:
                if self.proven.get(mark, 0.0) > now:
                    return digest
        return None

    def prove(self, secret: str, digests: tuple[str, ...]) -> "Future[str | None]":
        """The one that is the secret's, or None. The same question twice is worked on once.
        Raises Overloaded, or the future does."""
        question = self.mark(secret, *digests)
        with self.lock:
            found = self.running.get(question)
            if found is None:
                found = self.submit(lambda: self.work(secret, digests))
                self.running[question] = found
            else:
                return found
        found.add_done_callback(lambda _: self.running.pop(question, None))
        return found

    def run(self, work: Callable[[], T]) -> "Future[T]":
        """Anything else that takes as long. Raises Overloaded, or the future does."""
        with self.lock:
            return self.submit(work)

    def submit(self, work: Callable[[], T]) -> "Future[T]":
        """The lock is held."""
        if self.waiting >= QUEUE:
            raise Overloaded
        if self.thread is None:
            self.thread = ThreadPoolExecutor(1, thread_name_prefix="argon2id")
        self.waiting += 1
        late = self.now() + WAIT_SECONDS
        return self.thread.submit(self.in_time, work, late)

    def in_time(self, work: Callable[[], T], late: float) -> T:
        try:
            if self.now() > late:
                raise Overloaded
            return work()
        finally:
            with self.lock:
                self.waiting -= 1

    def work(self, secret: str, digests: tuple[str, ...]) -> str | None:
        """All of them, so that time does not tell which one it was."""
        matched = [digest for digest in digests if phc.parse(digest).matches(secret)]
        if not matched:
            return None
        with self.lock:
            self.proven.put(self.mark(secret, matched[0]), self.now() + KNOWN_SECONDS)
        return matched[0]

    def mark(self, *texts: str) -> str:
        """What stands for them in memory; it opens nothing and differs in each process."""
        whole = "\0".join(texts).encode("utf-8", "surrogatepass")
        return hashlib.blake2b(whole, key=self.key, person=PERSON, digest_size=16).hexdigest()
