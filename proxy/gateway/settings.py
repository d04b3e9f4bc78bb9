"""What the gateway process reads from its environment, once, before the first fork."""

import os
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from apikeys.gate.forwarded import TrustedNetworks
from apikeys.gate.lockout import Rules
from momentry.common.egress.allowed import NOTHING, Allowed, read_allowed
from momentry.common.env import ConfigurationError, Environment
from proxy.environment import GivenUpstream, read_upstreams

POSTGRES: Final = ("postgresql", "postgres")
VALKEY: Final = ("redis", "rediss", "unix")
UNIX_PATH_LIMIT: Final = 107


@dataclass(frozen=True, slots=True)
class Address:
    """Where Django listens: a unix socket path, or host and port (path is then "")."""

    path: str
    host: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in seconds."""

    bind: str
    port: int
    workers: int
    database_url: str = field(repr=False)
    django: Address
    trusted: TrustedNetworks
    drain_seconds: float
    db_max_connections: int
    db_acquire_timeout: float
    nonce: str = field(repr=False)
    redis_url: str = field(repr=False)
    lockout: Rules
    direct_url: str = field(default="", repr=False)
    fence_lease: float = 1.0
    cache_ttl: float = 300.0
    cache_capacity: int = 10_000
    max_connections: int = 8192
    max_buffered_mib: int = 512
    slow_request_ms: int = 10_000
    open_calls: str = ""  # a directory; "" for none
    egress: Allowed = NOTHING
    upstreams: tuple[GivenUpstream, ...] = ()  # for a start without the database


def read_settings(environment: Environment, *, workers: int | None = None) -> Settings:
    """Raises ConfigurationError, which names the variable."""
    egress = read_allowed(environment)
    return Settings(
        bind=read_bind(environment),
        port=environment.integer("PORT", 3002, high=65_535),
        workers=workers or environment.integer("GATEWAY_WORKERS", 1, low=1, high=256),
        database_url=environment.url("DATABASE_URL", None, POSTGRES),
        django=read_address(environment.text("DJANGO_SOCKET")),
        trusted=read_networks(environment.words("TRUSTED_PROXIES")),
        drain_seconds=environment.number("DRAIN_SECONDS", 25, low=0, high=3600),
        db_max_connections=environment.integer("DB_MAX_CONNECTIONS", 10, low=1, high=1000),
        db_acquire_timeout=environment.number("DB_ACQUIRE_TIMEOUT_SECONDS", 2, low=0.05, high=60),
        nonce=environment.text("MOMENTRY_NONCE", ""),
        redis_url=environment.url("REDIS_URL", None, VALKEY),
        lockout=Rules(
            environment.integer("RATE_LIMIT_MAX_ATTEMPTS", 5, low=1, high=100_000),
            environment.integer("RATE_LIMIT_WINDOW_SECONDS", 900, low=1, high=86_400),
        ),
        direct_url=read_direct_url(environment),
        fence_lease=environment.number("FENCE_LEASE_SECONDS", 1, low=1, high=30),
        cache_ttl=environment.number("CACHE_TTL_SECONDS", 300, low=1, high=86_400),
        cache_capacity=environment.integer("CACHE_MAX_CAPACITY", 10_000, low=1, high=1_000_000),
        max_connections=environment.integer("GATEWAY_MAX_CONNECTIONS", 8192, low=1, high=500_000),
        max_buffered_mib=environment.integer("GATEWAY_MAX_BUFFERED_MIB", 512, low=1, high=65_536),
        slow_request_ms=environment.integer("SLOW_REQUEST_MS", 10_000, low=0, high=86_400_000),
        open_calls=read_directory(environment.text("OPEN_CALLS_DIR", "")),
        egress=egress,
        upstreams=read_upstreams(environment, egress),
    )


def read_direct_url(environment: Environment) -> str:
    """Where LISTEN works, past a pooler that gives each transaction another session."""
    name = "DATABASE_DIRECT_URL" if environment.has("DATABASE_DIRECT_URL") else "DATABASE_URL"
    return environment.url(name, None, POSTGRES)


def read_bind(environment: Environment) -> str:
    host = environment.text("BIND", "127.0.0.1")
    try:
        return str(ip_address(host))
    except ValueError:
        raise ConfigurationError("BIND", "is not an IP address.") from None


def read_directory(text: str) -> str:
    if text and not text.startswith("/"):
        raise ConfigurationError("OPEN_CALLS_DIR", "must be an absolute path.")
    return text


def read_address(text: str) -> Address:
    """An absolute path, or ``host:port`` (``[::1]:8000`` too)."""
    if text.startswith("/"):
        if len(os.fsencode(text)) > UNIX_PATH_LIMIT:
            raise ConfigurationError("DJANGO_SOCKET", "is longer than a socket path may be.")
        return Address(path=str(Path(text)))
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
        raise ConfigurationError("DJANGO_SOCKET", "must be an absolute path or host:port.")
    return Address(path="", host=host.strip("[]"), port=int(port))


def read_networks(words: list[str]) -> TrustedNetworks:
    try:
        return TrustedNetworks(words)
    except ValueError:
        raise ConfigurationError(
            "TRUSTED_PROXIES", "must be a comma-separated list of addresses or networks."
        ) from None
