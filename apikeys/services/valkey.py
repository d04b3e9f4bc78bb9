"""Valkey as Django's threads ask it: briefly, and not at all while it is away."""

import functools
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import ConnectionPool, parse_url
from redis.exceptions import InvalidResponse, RedisError
from redis.retry import Retry

from apikeys.gate.outage import AWAY_SECONDS, TIMEOUT_SECONDS, Outage
from apikeys.gate.shapes import Fits, anything
from apikeys.services.reader import Reader


class Valkey:
    """Never raises; what it was asked is answered None while it is away."""

    def __init__(self, redis: "Redis") -> None:
        self.redis = redis
        self.away_until = 0.0
        self.outage = Outage()

    def is_away(self) -> bool:
        return time.monotonic() < self.away_until

    def ask(
        self,
        script: str,
        keys: tuple[str, ...],
        arguments: tuple[str | int, ...],
        fits: Fits = anything,
    ) -> Any:
        """The script's reply; None when Valkey is away, or says what does not fit."""
        if self.is_away():
            return None
        return self.within(
            lambda: self.redis.eval(script, len(keys), *keys, *map(str, arguments)), fits
        )

    def within(self, command: Callable[[], Any], fits: Fits = anything) -> Any:
        try:
            reply = command()
        except (RedisError, OSError) as error:
            return self.failed(error)
        if not fits(reply):
            return self.failed(InvalidResponse("no reply to what was asked"))
        self.outage.ended()
        return reply

    def failed(self, error: Exception) -> None:
        """Who refused once (as a replica, without a password) is not asked again: the next
        connection may lead to another server. One that another thread uses now ends when it
        fails there."""
        self.outage.began(error)
        self.away_until = time.monotonic() + AWAY_SECONDS
        self.redis.connection_pool.disconnect(inuse_connections=False)


def connect(url: str) -> "Redis":
    """A client that asks once and waits briefly: while it waits, a request waits."""
    given = {
        "retry": Retry(NoBackoff(), 0),
        "socket_connect_timeout": TIMEOUT_SECONDS,
        "socket_timeout": TIMEOUT_SECONDS,
        **parse_url(url),  # type: ignore[no-untyped-call]
        "protocol": 2,
        "parser_class": Reader,
    }
    return Redis.from_pool(ConnectionPool(**given))


@functools.cache
def get_valkey() -> Valkey:
    """One for all threads of this process."""
    return Valkey(connect(settings.REDIS_URL))
