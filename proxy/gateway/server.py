"""`manage.py gateway`: reads what it is told, opens the sockets or takes those of the image before.

Never loads Django's models or settings.
"""

import argparse
import contextlib
import errno
import os
import resource
import socket
import sys
from dataclasses import replace
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apikeys.digest import read_peppers
from apikeys.gate.judge import Policy
from apikeys.hasher import read_hasher
from momentry.common import logs
from momentry.common.crypto.keyring import KeyRing
from momentry.common.env import ConfigurationError, Environment
from proxy.gateway import handover, worker
from proxy.gateway.draining import BACKLOG
from proxy.gateway.handover import Handover
from proxy.gateway.metrics import PLACES, Metrics
from proxy.gateway.parent import Assets, Parent
from proxy.gateway.settings import Settings, read_settings


def main(argv: list[str]) -> int:
    """0 after an ordered stop; 1 with one sentence when it cannot start."""
    parser = argparse.ArgumentParser(prog="manage.py gateway")
    parser.add_argument("--workers", type=int, default=None, help="default: GATEWAY_WORKERS")
    parser.add_argument("--check", action="store_true", help="only say whether it could start")
    options = parser.parse_args(argv)
    given = os.environ.pop(handover.VARIABLE, "")
    environment = Environment()
    try:
        logs.configure("gateway", environment)
        handed = handover.decode(given) if given else None
        settings = read_settings(environment, workers=options.workers)
        secrets = read_secrets(environment)
        if options.check:
            return 0
        assets = take_over(handed, settings) if handed else open_assets(settings)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    raise_file_limit()
    settings = replace(settings, port=assets.sockets[0].getsockname()[1])
    return Parent(settings, secrets, assets).run()


def open_assets(settings: Settings) -> Assets:
    sockets = open_sockets(settings)
    return Assets(sockets, set(range(len(sockets))), Metrics(PLACES), {})


def take_over(handed: Handover, settings: Settings) -> Assets:
    """The sockets stay, and all of them, however many processes are wanted: one that is closed
    resets whom it holds. More are bound; the process that serves one listens on it."""
    sockets = [socket.socket(fileno=descriptor) for descriptor in handed.sockets]
    for listener in sockets:
        listener.setblocking(False)
    queued = set(range(len(sockets)))
    place = sockets[0].getsockname()[:2]
    while len(sockets) < settings.workers:
        sockets.append(bind(sockets[0].family, place))
    metrics = Metrics(PLACES, file=handed.figures)
    return Assets(sockets, queued, metrics, {p.pid: p for p in handed.processes})


def read_secrets(environment: Environment) -> worker.Secrets:
    """Raises ConfigurationError naming the variable, never its value."""
    ring = KeyRing.from_text(environment.text("ENCRYPTION_KEY", ""))
    policy = Policy(
        peppers=read_peppers(environment),
        admin_token=read_admin_token(environment),
        zone=read_zone(environment),
        hasher=read_hasher(environment),
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
            sockets.append(bind(family, place))
            sockets[-1].listen(BACKLOG)
            place = (settings.bind, sockets[0].getsockname()[1])
    except OSError as error:
        raise bind_error(settings, error) from None
    return sockets


def bind(family: int, place: tuple[str, int]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.setblocking(False)
    listener.bind(place)
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
