"""DUR-10: upstreams of the environment come into an empty database once, whoever tries at once."""

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.conftest import Database, own_database
from tests.gateway.households import command
from tests.gateway.wire import Server, within

pytestmark = pytest.mark.slow

PROCESSES = 4
PATIENCE = 90.0
SECRET = "sk-proj-environment-0123456789abcdef"
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
