"""Valkey as Django's threads ask it: briefly, and not at all while it is away."""

import functools
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from apikeys.gate.outage import AWAY_SECONDS, TIMEOUT_SECONDS, Outage


class Valkey:
    """Never raises; what it was asked is answered None while it is away."""

    def __init__(self, redis: "Redis") -> None:
        self.redis = redis
        self.away_until = 0.0
        self.outage = Outage()

    def is_away(self) -> bool:
        return time.monotonic() < self.away_until

    def ask(self, script: str, keys: tuple[str, ...], arguments: tuple[str | int, ...]) -> Any:
        """The script's reply; None when Valkey is away."""
        if self.is_away():
            return None
        return self.within(lambda: self.redis.eval(script, len(keys), *keys, *map(str, arguments)))

    def within(self, command: Callable[[], Any]) -> Any:
        try:
            reply = command()
        except (RedisError, OSError) as error:
            self.outage.began(error)
            self.away_until = time.monotonic() + AWAY_SECONDS
            return None
        self.outage.ended()
        return reply


def connect(url: str) -> "Redis":
    """A client that asks once and waits briefly: while it waits, a request waits."""
    return Redis.from_url(
        url,
        retry=Retry(NoBackoff(), 0),
        socket_connect_timeout=TIMEOUT_SECONDS,
        socket_timeout=TIMEOUT_SECONDS,
    )


@functools.cache
def get_valkey() -> Valkey:
    """One for all threads of this process."""
    return Valkey(connect(settings.REDIS_URL))
