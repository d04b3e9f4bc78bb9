"""System checks of the apps' surroundings, for `manage.py check --deploy`; each id is stable."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Tags, register
from redis.exceptions import RedisError

from apikeys.gate.eviction import fault_in
from apikeys.services.valkey import connect


@register(Tags.caches, deploy=True)
def valkey_keeps_counters(
    app_configs: Sequence[AppConfig] | None,
    **_: Any,
) -> list[CheckMessage]:
    """momentry.W013: a full Valkey would throw away counters of bursts and of wrong keys. One that
    does not answer, or may not be asked, is no matter of this check."""
    client = connect(settings.REDIS_URL)
    client.set_response_callback("INFO", as_said)
    try:
        said: object = client.info("memory")
    except (RedisError, OSError):
        return []
    finally:
        client.close()
    fault = fault_in(said.decode(errors="replace")) if isinstance(said, bytes) else ""
    return [checks.Warning(fault, id="momentry.W013")] if fault else []


def as_said(reply: Any, **_: Any) -> Any:
    """redis-py's own reader of it breaks off at what is no text."""
    return reply
