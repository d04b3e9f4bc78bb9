"""DUR-10: upstreams of the environment come into an empty database once, whoever tries at once. A
gateway that starts without the database knows them, sends nobody there, and follows the table."""

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.services.upstreams import change_upstream
from proxy.services.wanted import WantedTarget
from tests.gateway.conftest import Database, Start, own_database
from tests.gateway.engine import Engine, OwnDatabase
from tests.gateway.households import command
from tests.gateway.outages import word_of
from tests.gateway.processes import Gateway
from tests.gateway.test_database_faults import RECOVERY
from tests.gateway.wire import Server, tcp_server, within

pytest_plugins = ["tests.gateway.own_engines"]
pytestmark = pytest.mark.slow

PROCESSES = 4
PATIENCE = 90.0
SECRET = "sk-proj-environment-0123456789abcdef"
WARNED = "those of the environment hold"
CREATED = "SELECT subject, actor FROM events_event WHERE kind = 'upstream:created' ORDER BY id"
SLUGS = "SELECT slug FROM proxy_upstream ORDER BY slug"


@pytest.fixture
def empty(migrated: Database) -> Iterator[Database]:
    with own_database(migrated, f"env{uuid.uuid4().hex[:6]}") as made:
        yield made


def given(base_url: str) -> dict[str, str]:
    return {
        "UPSTREAMS": "llm,n8n-eu",
        "UPSTREAM_LLM_URL": base_url,
        "UPSTREAM_LLM_API_KEY": SECRET,
        "UPSTREAM_N8N_EU_URL": base_url,
    }


@pytest.fixture
def started() -> Iterator[list["subprocess.Popen[bytes]"]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def test_four_processes_at_once_import_once(
    empty: Database, upstream: Server, tmp_path: Path, started: list["subprocess.Popen[bytes]"]
) -> None:
    log = tmp_path / "relays.log"
    values = {"DATABASE_URL": empty.url, **given(f"http://127.0.0.1:{upstream.port}")}
    started += [command("relay", log, values) for _ in range(PROCESSES)]

    assert within(PATIENCE, lambda: log.read_text().count("relay started") == PROCESSES)
    assert within(PATIENCE, lambda: empty.fetch(SLUGS) == [("llm",), ("n8n-eu",)])
    again = command("prepare", log, values)
    started.append(again)
    assert again.wait(PATIENCE) == 0

    assert all(process.poll() is None for process in started[:PROCESSES])
    assert empty.fetch(CREATED) == [
        ("upstream:llm", "environment"), ("upstream:n8n-eu", "environment"),
    ]  # fmt: skip
    assert log.read_text().count("upstreams imported from the environment") == 1
    assert SECRET not in log.read_text()


def test_a_bad_value_stops_prepare_and_imports_nothing(
    empty: Database, upstream: Server, tmp_path: Path, started: list["subprocess.Popen[bytes]"]
) -> None:
    log = tmp_path / "prepare.log"
    values = {"DATABASE_URL": empty.url, **given(f"http://127.0.0.1:{upstream.port}")}
    process = command("prepare", log, values | {"UPSTREAM_N8N_EU_URL": "http://u:hunter2@n8n"})
    started.append(process)

    assert process.wait(PATIENCE) == 1
    (line,) = log.read_text().splitlines()[-1:]
    assert line.startswith("UPSTREAM_N8N_EU_URL must read")
    assert "hunter2" not in log.read_text()
    assert empty.fetch(SLUGS) == []


@pytest.fixture
def told() -> Iterator[Server]:
    """Where the environment says the upstreams are."""
    server = tcp_server()
    yield server
    server.stop()


def starting_without(engine: Engine, own: OwnDatabase, start: Start, told: Server) -> Gateway:
    engine.stop()
    values = given(f"http://127.0.0.1:{told.port}")
    gateway = start(2, DATABASE_URL=own.url, **values).wait_until_listening()
    assert within(15, lambda: "".join(gateway.lines).count(WARNED) == len(gateway.children()) == 2)
    return gateway


def refuses_all(gateway: Gateway, key: str, told: Server) -> None:
    assert gateway.get("/healthz").status == 200
    assert gateway.get("/readyz").status == 503
    for path in ("/proxy/llm/fall", "/proxy/n8n-eu/fall", "/proxy/none/fall"):
        assert word_of(gateway.get(path, key)) == "503 database_unavailable"
    assert told.accepted == 0


def test_a_start_without_the_database_and_its_return(
    engine: Engine,
    own: OwnDatabase,
    start: Start,
    told: Server,
    upstream: Server,
    tmp_path: Path,
    started: list["subprocess.Popen[bytes]"],
) -> None:
    own.execute("DELETE FROM proxy_target")
    own.execute("DELETE FROM proxy_upstream")
    key = own.key_for("alice", "llm n8n-eu")
    gateway = starting_without(engine, own, start, told)
    values = {"DATABASE_URL": own.url, **given(f"http://127.0.0.1:{told.port}")}
    started.append(command("relay", tmp_path / "relay.log", values))
    refuses_all(gateway, key, told)

    engine.start()
    assert within(RECOVERY, lambda: gateway.get("/readyz").status == 200)
    assert within(PATIENCE, lambda: gateway.get("/proxy/llm/fall", key).status == 200)
    assert f"Authorization: Bearer {SECRET}".encode() in told.heads_of("/fall")[0]
    assert len(own.fetch(CREATED)) == 2

    with own.rows():  # the table is changed, and wins from now on
        there = WantedTarget(f"http://127.0.0.1:{upstream.port}")
        change_upstream("llm", {}, [there], actor="test")
    own.settle()
    assert within(RECOVERY, lambda: gateway.get("/proxy/llm/table", key).status == 200)
    assert b"Authorization" not in upstream.heads_of("/table")[0]
    assert told.heads_of("/table") == []
    assert gateway.stop() == 0
    count = told.accepted
    again = starting_without(engine, own, start, told)
    engine.start()

    assert within(RECOVERY, lambda: again.get("/proxy/llm/table", key).status == 200)
    assert len(upstream.heads_of("/table")) == 2
    assert told.accepted == count
    assert SECRET not in "".join([*gateway.lines, *again.lines])
    assert gateway.errors() == again.errors() == []
