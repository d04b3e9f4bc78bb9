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
    try:
        policy = client.info("memory").get("maxmemory_policy", "")
    except (RedisError, OSError):
        return []
    finally:
        client.close()
    fault = fault_in(f"maxmemory_policy:{policy}") if policy else ""
    return [checks.Warning(fault, id="momentry.W013")] if fault else []
