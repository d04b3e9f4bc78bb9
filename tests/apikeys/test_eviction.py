"""`check --deploy` names a Valkey that would throw counters away."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from apikeys.checks import valkey_keeps_counters
from apikeys.gate.eviction import fault_in
from momentry.supervisor.valkey import Valkey
from tests.gateway.wire import within


@pytest.fixture
def own(tmp_path: Path, settings: Any) -> Iterator[Redis]:
    """One whose settings the test may change."""
    made = Valkey(tmp_path / "data", tmp_path, tmp_path / "log", durable=False)
    made.start()
    assert within(10, made.ready)
    settings.REDIS_URL = made.url
    client = Redis.from_url(made.url)
    yield client
    client.close()
    made.child.kill()


def test_a_private_valkey_is_told_to_keep_what_it_has(own: Redis) -> None:
    assert valkey_keeps_counters(None) == []


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_another_policy_is_named_with_what_to_set(own: Redis, policy: str) -> None:
    own.config_set("maxmemory-policy", policy)

    (warning,) = valkey_keeps_counters(None)

    assert warning.id == "momentry.W013"
    assert f"maxmemory-policy is {policy}" in warning.msg
    assert "Set maxmemory-policy noeviction" in warning.msg


def test_a_valkey_that_is_away_or_says_nothing_is_not_accused(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"

    assert valkey_keeps_counters(None) == []
    assert fault_in("") == fault_in("# Memory\r\nused_memory:1\r\n") == ""
