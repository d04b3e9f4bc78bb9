"""DUR-10: without the database no key is known, so nothing is opened: upstreams of the environment
make no key valid, at a start as little as later. The database's table replaces them."""

import uuid
from collections.abc import Callable

import pytest
from django.db import connection

from momentry.common.crypto.keyring import get_ring
from proxy.environment import GivenUpstream
from proxy.gateway.balance import Budget
from proxy.gateway.fallback import row_of
from proxy.gateway.table import Table
from proxy.gateway.upstreams import ROWS_SQL, Row
from proxy.services.environment import import_upstreams
from tests.gateway.conftest import Start
from tests.gateway.engine import Engine, OwnDatabase
from tests.gateway.outages import word_of
from tests.gateway.processes import Gateway
from tests.gateway.test_database_faults import RECOVERY
from tests.gateway.test_lock_out import unknown
from tests.gateway.wire import Server, tcp_server, within

pytest_plugins = ["tests.gateway.own_engines"]
pytestmark = pytest.mark.slow

ASKED = 12
UNAVAILABLE = "503 database_unavailable"
ENVIRONMENT = ("echo", "elsewhere")
AWAY: dict[str, tuple[Callable[[Engine], None], Callable[[Engine], None]]] = {
    "stopped": (Engine.stop, Engine.start),
    "frozen": (Engine.freeze, Engine.thaw),
}


def variables(port: int) -> dict[str, str]:
    urls = {f"UPSTREAM_{slug.upper()}_URL": f"http://127.0.0.1:{port}" for slug in ENVIRONMENT}
    return {"UPSTREAMS": ",".join(ENVIRONMENT), **urls}


def words(gateway: Gateway, keys: list[str]) -> set[str]:
    return {
        word_of(gateway.get(f"/proxy/{slug}/never", key)) for slug in ENVIRONMENT for key in keys
    }


def is_told(gateway: Gateway, path: str, key: str, *told: str) -> bool:
    """By every process: the kernel spreads connections over them. One may be behind for a while."""
    return within(
        RECOVERY, lambda: {word_of(gateway.get(path, key)) for _ in range(ASKED)} == set(told)
    )


@pytest.mark.parametrize("how", AWAY)
def test_no_key_is_valid_before_the_database_is_there(
    engine: Engine, own: OwnDatabase, start: Start, upstream: Server, how: str
) -> None:
    tag = uuid.uuid4().hex[:6]
    valid = own.key_for(f"v-{tag}", "echo elsewhere")
    revoked = own.key_for(f"r-{tag}", "echo elsewhere")
    own.execute("UPDATE apikeys_apikey SET revoked_at = now() WHERE id = %s", revoked.split("_")[1])
    leave, come = AWAY[how]
    stranger = tcp_server()
    leave(engine)
    gateway = start(2, DATABASE_URL=own.url, **variables(stranger.port)).wait_until_listening()
    assert within(15, lambda: len(gateway.children()) == 2)

    assert words(gateway, [valid, revoked, unknown()]) == {UNAVAILABLE}
    assert gateway.get("/proxy/echo/never", valid).field("retry-after")
    assert gateway.get("/healthz").status == 200
    assert gateway.get("/readyz").status == 503
    come(engine)
    assert is_told(gateway, "/proxy/echo/back", valid, "200")

    assert len(upstream.heads_of("/back")) >= ASKED  # as the table says
    assert is_told(gateway, "/proxy/elsewhere/never", valid, "404 upstream_unknown")
    assert is_told(gateway, "/proxy/echo/never", revoked, "401 key_revoked")
    assert is_told(gateway, "/proxy/echo/never", unknown(), "401 invalid_key")
    assert stranger.accepted == 0
    assert gateway.errors() == []
    stranger.stop()


def test_a_database_that_goes_later_brings_the_environment_not_back(
    engine: Engine, own: OwnDatabase, start: Start, upstream: Server
) -> None:
    key = own.key_for(f"l-{uuid.uuid4().hex[:6]}", "echo elsewhere")
    stranger = tcp_server()
    gateway = start(1, DATABASE_URL=own.url, **variables(stranger.port)).wait_until_ready()
    assert gateway.get("/proxy/echo/back", key).status == 200
    engine.stop()
    assert within(5, lambda: words(gateway, [key]) == {UNAVAILABLE})
    engine.start()

    assert is_told(gateway, "/proxy/echo/back", key, "200")
    assert stranger.accepted == 0
    assert "of the environment" not in "".join(gateway.lines)
    stranger.stop()


BUDGET = Budget()


def described(table: Table) -> list[object]:
    """Without what every reading makes anew."""
    return [
        (
            upstream._replace(targets=(), budget=BUDGET),
            [target[1:5] for target in upstream.targets],
        )
        for upstream in table.by_slug.values()
    ]


def test_the_environments_upstreams_are_what_the_import_makes(db: None) -> None:
    """Defaults of the model and of the fall-back are the same."""
    given = [
        GivenUpstream("llm", "https://api.test/v1", "sk-proj-0123456789abcdef"),
        GivenUpstream("n8n-eu", "http://n8n:5678"),
    ]
    ring = get_ring()
    import_upstreams(given)
    with connection.cursor() as cursor:
        cursor.execute(ROWS_SQL)
        rows = [Row._make(row) for row in cursor.fetchall()]
    rows = [row._replace(header_rules=[]) for row in rows if row.header_rules == "[]"]
    imported, known = Table(), Table()
    imported.replace([*rows], ring, "1")
    known.replace([row_of(each, ring) for each in given], ring, "")

    assert described(known) == described(imported)
    assert set(known.by_slug) == {b"llm", b"n8n-eu"}
