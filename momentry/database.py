"""Django's form of DATABASE_URL. Imported by the settings, so it may import none of Django."""

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from momentry.common.env import Environment
from momentry.common.served import CONNECT_SECONDS, ServedConnection

RECONNECT_SECONDS = 2.0  # the pool's own back-off would grow to minutes


def database(url: str, env: Environment) -> dict[str, Any]:
    """Django's form of a libpq URL, with the pool that async workers and threads need."""
    parts = urlsplit(url)
    options = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    size = env.integer("DB_MAX_CONNECTIONS", 10, low=1, high=1000)
    wait = env.number("DB_ACQUIRE_TIMEOUT_SECONDS", 2, low=0.1, high=60)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", None) or unquote(parts.hostname or ""),
        "PORT": options.pop("port", None) or (str(parts.port) if parts.port else ""),
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,  # a round trip; else each dead one costs somebody a 503
        "ATOMIC_REQUESTS": False,
        "OPTIONS": {
            "connect_timeout": CONNECT_SECONDS,
            **options,
            "pool": {
                "min_size": 0,
                "max_size": size,
                "timeout": wait,
                "max_idle": 60,
                "reconnect_timeout": RECONNECT_SECONDS,
                "connection_class": ServedConnection,
            },
        },
    }
