"""Private PostgreSQL and Valkey together: those of `up`, and throw-away ones for tests."""

import atexit
import secrets
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple

from momentry.supervisor.child import stop_together
from momentry.supervisor.errors import CannotStartError, StoppedError
from momentry.supervisor.postgres import Options, Postgres
from momentry.supervisor.secretfiles import SecretFiles
from momentry.supervisor.sockets import socket_directory
from momentry.supervisor.valkey import Valkey

START_SECONDS: Final = 60.0  # crash recovery of a large log takes its time
POLL_SECONDS: Final = 0.005


class Engines(NamedTuple):
    database_url: str
    redis_url: str
    stop: Callable[[], None]


def wait_until_ready(
    engines: Iterable[Postgres | Valkey], stopping: Callable[[], bool] = lambda: False
) -> None:
    """Raises CannotStartError with the last words of one that ended or never got ready."""
    waiting = list(engines)
    deadline = time.monotonic() + START_SECONDS
    while waiting:
        waiting = [engine for engine in waiting if not engine.ready()]
        for engine in waiting:
            if not engine.child.alive() or time.monotonic() > deadline:
                words = "\n  ".join(engine.child.last_words())
                log = engine.child.spec.log
                raise CannotStartError(f"{engine.child.name} did not start ({log}):\n  {words}")
        if stopping():
            raise StoppedError
        time.sleep(POLL_SECONDS)


def start_throwaway(directory: Path, *, connections: int = 400, durable: bool = False) -> Engines:
    """Start both in ``directory`` for a test run; ``stop()`` ends them and is safe to call twice.

    They also end with this process, however it ends (on Linux). Raises CannotStartError.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    sockets = socket_directory(directory / "run")
    kept = SecretFiles(directory, established=False)
    password = kept.keep("postgres-password", lambda: secrets.token_hex(16))
    options = Options(password, connections, durable)
    postgres = Postgres(directory / "postgres", sockets, directory / "postgres.log", options)
    valkey = Valkey(directory / "valkey", sockets, directory / "valkey.log", durable=durable)
    engines: tuple[Postgres | Valkey, ...] = (valkey, postgres)

    def stop() -> None:
        atexit.unregister(stop)
        stop_together([engine.child for engine in engines])
        shutil.rmtree(sockets, ignore_errors=True)

    atexit.register(stop)
    try:
        for engine in engines:
            engine.start()
        wait_until_ready(engines)
    except BaseException:
        stop()
        raise
    return Engines(postgres.url, valkey.url, stop)
