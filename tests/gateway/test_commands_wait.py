"""AUTH-01 for `manage.py apikey`: from a command's return on, no process admits what it ended. And
none goes where `manage.py upstream` said that nobody goes any more."""

import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.core.management import call_command

from tests.gateway.conftest import Database, Start
from tests.gateway.processes import Gateway
from tests.gateway.wire import Server

pytestmark = pytest.mark.slow

WORKERS = 3
LEASE = 1.0
BEHIND = """
SELECT count(*) FROM common_fenceprocess p, common_fence f
 WHERE p.acked < f.generation AND p.expires_at > clock_timestamp()
"""
VERBS: dict[str, Callable[[str, str], tuple[str, ...]]] = {
    "revoke": lambda key_id, _: ("revoke", key_id),
    "disable": lambda key_id, _: ("disable", key_id),
    "quarantine": lambda key_id, _: ("quarantine", key_id, "--reason", "leaked"),
    "rotate": lambda key_id, _: ("rotate", key_id, "--grace", "0"),
    "batch-revoke": lambda _, owner: ("batch-revoke", "--owner", owner, "--yes"),
}


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def gateway(start_once: Start, seeded: str) -> Gateway:
    return start_once(WORKERS).wait_until_ready()


@pytest.mark.parametrize("name", VERBS)
def test_a_command_returns_when_no_process_can_admit(
    gateway: Gateway, database: Database, name: str
) -> None:
    """One process stands still: what it knows is worth nothing once its lease is over."""
    owner = f"c{uuid.uuid4().hex[:8]}"
    secret = database.key_for(owner, "echo")
    assert statuses(gateway, secret) == {200}

    with stopped(gateway.children()[0]), database.rows():
        began = time.monotonic()
        call_command("apikey", *VERBS[name](str(uuid.UUID(secret.split("_")[1])), owner))
        took = time.monotonic() - began
        assert database.fetch(BEHIND) == [(0,)]

    assert took <= LEASE + 0.5
    assert statuses(gateway, secret) == {401}


def test_every_process_follows_an_upstream_when_the_command_returns(
    gateway: Gateway, database: Database, upstream: Server
) -> None:
    secret = database.key_for(f"u{uuid.uuid4().hex[:8]}", "commanded")
    base = f"http://127.0.0.1:{upstream.port}"
    for words, told in (
        (("create", "commanded", "--url", base), 200),
        (("update", "commanded", "--set", "is_active=false"), 503),
        (("delete", "commanded", "--yes"), 403),
    ):
        with stopped(gateway.children()[0]), database.rows():
            call_command("upstream", *words)
            assert database.fetch(BEHIND) == [(0,)]
        # Who stood still may be behind for a moment, and says 503; never what was before.
        assert statuses(gateway, secret, "commanded") <= {told, 503}


def statuses(gateway: Gateway, secret: str, slug: str = "echo") -> set[int]:
    return {gateway.get(f"/proxy/{slug}/x", secret).status for _ in range(8 * WORKERS)}
