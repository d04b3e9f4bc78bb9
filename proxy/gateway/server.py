"""`manage.py gateway`: the parent process. It keeps the sockets and N children that serve them.

Never loads Django's models or settings.
"""

import argparse
import contextlib
import errno
import gc
import os
import resource
import signal
import socket
import sys
import time
from dataclasses import replace
from types import FrameType
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apikeys.digest import read_peppers
from apikeys.gate.judge import Policy
from momentry.common import logs
from momentry.common.crypto.keyring import KeyRing
from momentry.common.env import ConfigurationError, Environment
from proxy.gateway import parentage, worker
from proxy.gateway.core import logger
from proxy.gateway.metrics import Metrics
from proxy.gateway.settings import Settings, read_settings

BACKLOG: Final = 4096
STABLE_SECONDS: Final = 10.0  # a child that lived so long starts the back-off anew
MAX_BACK_OFF: Final = 5.0
KILL_MARGIN: Final = 9  # seconds past DRAIN_SECONDS: flush, pools, exit


def main(argv: list[str]) -> int:
    """0 after an ordered stop; 1 with one sentence when it cannot start."""
    parser = argparse.ArgumentParser(prog="manage.py gateway")
    parser.add_argument("--workers", type=int, default=None, help="default: GATEWAY_WORKERS")
    workers = parser.parse_args(argv).workers
    environment = Environment()
    try:
        logs.configure("gateway", environment)
        settings = read_settings(environment, workers=workers)
        secrets = read_secrets(environment)
        sockets = open_sockets(settings)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    raise_file_limit()
    settings = replace(settings, port=sockets[0].getsockname()[1])
    return Parent(settings, secrets, sockets).run()


def read_secrets(environment: Environment) -> worker.Secrets:
    """Raises ConfigurationError naming the variable, never its value."""
    ring = KeyRing.from_text(environment.text("ENCRYPTION_KEY", ""))
    policy = Policy(
        peppers=read_peppers(environment),
        admin_token=read_admin_token(environment),
        zone=read_zone(environment),
    )
    return worker.Secrets(ring, policy)


def read_admin_token(environment: Environment) -> str:
    production = (
        environment.choice("MOMENTRY_ENV", "production", ("production", "development"))
        == "production"
    )
    token = environment.text("ADMIN_TOKEN", None if production else "")
    if token and len(token) < 32:
        raise ConfigurationError("ADMIN_TOKEN", "must have at least 32 characters.")
    return token


def read_zone(environment: Environment) -> ZoneInfo:
    try:
        return ZoneInfo(environment.text("QUOTA_TIMEZONE", "UTC"))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigurationError("QUOTA_TIMEZONE", "is not a time zone's name.") from None


def open_sockets(settings: Settings) -> list[socket.socket]:
    """One SO_REUSEPORT socket per slot. A plain bind comes first: with SO_REUSEPORT a second
    gateway would share the port without a word."""
    family = socket.AF_INET6 if ":" in settings.bind else socket.AF_INET
    place = (settings.bind, settings.port)
    try:
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(place)
            trial.listen(1)  # SO_REUSEADDR lets a bind pass that a listener would refuse
        sockets: list[socket.socket] = []
        for _ in range(settings.workers):
            sockets.append(listen(family, place))
            place = (settings.bind, sockets[0].getsockname()[1])
    except OSError as error:
        raise bind_error(settings, error) from None
    return sockets


def listen(family: int, place: tuple[str, int]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.setblocking(False)
    listener.bind(place)
    listener.listen(BACKLOG)
    return listener


def bind_error(settings: Settings, error: OSError) -> ConfigurationError:
    if error.errno == errno.EADDRINUSE:
        return ConfigurationError(
            "PORT", f"{settings.port} on {settings.bind} is taken by another process."
        )
    if error.errno == errno.EACCES:
        return ConfigurationError("PORT", f"{settings.port} needs more rights than this user has.")
    return ConfigurationError("BIND", f"cannot be bound: {error.strerror or 'unknown error'}.")


def raise_file_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Parent:
    """``children`` maps a process id to its slot; a slot is a socket and a place for figures."""

    def __init__(
        self, settings: Settings, secrets: worker.Secrets, sockets: list[socket.socket]
    ) -> None:
        self.settings = settings
        self.secrets = secrets
        self.sockets = sockets
        self.metrics = Metrics(len(sockets))
        self.children: dict[int, int] = {}
        self.started: dict[int, float] = {}
        self.back_off = [0.0] * len(sockets)
        self.stopping = False
        self.failed = False

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.on_stop)
        signal.signal(signal.SIGALRM, self.on_late)
        gc.collect()
        gc.freeze()  # the children's collectors leave the shared pages alone
        for slot in range(len(self.sockets)):
            self.start(slot)
        place = f"[{self.settings.bind}]" if ":" in self.settings.bind else self.settings.bind
        logger.info(
            "listening on http://%s:%d, %d processes", place, self.settings.port, len(self.sockets)
        )
        while self.children:
            self.reap()
        return 1 if self.failed else 0

    def start(self, slot: int) -> None:
        """Fork; a stop that comes in between reaches the new child too."""
        blocked = {signal.SIGTERM, signal.SIGINT}
        signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
        if self.stopping:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)
            return
        parent = os.getpid()
        pid = os.fork()
        if not pid:
            self.be_child(slot, parent)
        self.children[pid] = slot
        self.started[pid] = time.monotonic()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)

    def be_child(self, slot: int, parent: int) -> None:
        """Never returns."""
        code = 1
        try:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
            parentage.die_with(parent)
            for other, listener in enumerate(self.sockets):
                if other != slot:
                    listener.close()
            self.metrics.take_slot(slot)
            worker.run(worker.Child(self.settings, self.secrets, self.sockets[slot], self.metrics))
            code = 0
        except BaseException as error:  # noqa: BLE001 - the child's outermost frame
            logger.critical("a gateway process failed", exc_info=error)
        finally:
            worker.leave(code)

    def reap(self) -> None:
        """Wait for one child to end; start another in its place unless we stop."""
        pid, status = os.waitpid(-1, 0)
        slot = self.children.pop(pid, None)
        if slot is None:
            return
        lived = time.monotonic() - self.started.pop(pid)
        if self.stopping:
            self.failed = self.failed or status != 0
            return
        wait = 0.0 if lived > STABLE_SECONDS else self.back_off[slot]
        self.back_off[slot] = min(MAX_BACK_OFF, max(0.1, wait * 2))
        code = os.waitstatus_to_exitcode(status)
        logger.error("gateway process %d ended with %d; a new one starts", pid, code)
        time.sleep(wait)
        self.start(slot)

    def on_stop(self, _number: int, _frame: FrameType | None) -> None:
        if not self.stopping:
            self.stopping = True
            for listener in self.sockets:
                listener.close()
            signal.alarm(int(self.settings.drain_seconds) + KILL_MARGIN)
        self.send(signal.SIGTERM)

    def on_late(self, _number: int, _frame: FrameType | None) -> None:
        self.failed = True
        self.send(signal.SIGKILL)

    def send(self, number: int) -> None:
        for pid in tuple(self.children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
