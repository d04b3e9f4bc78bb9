"""An export of 100,000 keys through the gateway: flat memory, and no query for who has left."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from momentry.supervisor.places import ROOT
from tests.gateway.conftest import Database, Start, own_database
from tests.gateway.processes import Gateway, environment, request
from tests.gateway.wire import Wire, within

pytestmark = pytest.mark.slow
ROWS = 100_000
TOKEN = os.environ["ADMIN_TOKEN"]
FILL = """
INSERT INTO apikeys_apikey (id, name, description, key_type, service_name, role, scopes, key_prefix,
                            metadata, version, created_at, allowed_networks)
SELECT gen_random_uuid(), 'bulk-' || n, '', 'service', '=formula', 'metrics', '{proxy:use}',
       'msvc_00000000…****', jsonb_build_object('team', 'v', 'text', repeat('x', 200)), 1, now(),
       '{192.0.2.0/24}'
  FROM generate_series(1, %s) n
"""
LAST_PAGE = """
SELECT max(query_start) FROM pg_stat_activity
 WHERE pid <> pg_backend_pid() AND datname = %s
   AND query ~ 'FROM "apikeys_(apikey|grant|limitoverride)"'
"""


@pytest.fixture(scope="module")
def filled(migrated: Database) -> Iterator[Database]:
    """A database of its own: to delete so many rows would take longer than the tests."""
    with own_database(migrated, "export") as made:
        made.execute(FILL, ROWS)
        yield made


@pytest.fixture
def served(filled: Database, tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Django itself, as `up` starts it."""
    given = {"DATABASE_URL": filled.url, "SECRET_KEY": os.environ["SECRET_KEY"]}
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "serve", "--socket", str(tmp_path / "s")],
        env=environment(**given, MOMENTRY_NO_VENV="1"),
    )
    yield process
    process.terminate()
    process.wait(30)


@pytest.fixture
def alone(
    served: "subprocess.Popen[bytes]", filled: Database, start: Start, tmp_path: Path
) -> Gateway:
    assert within(20, (tmp_path / "s").exists)
    return start(DJANGO_SOCKET=str(tmp_path / "s"), DATABASE_URL=filled.url).wait_until_ready()


def memory_mib(pid: int, field: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field))) / 1024


def exported(gateway: Gateway, query: str) -> Wire:
    wire = gateway.connect().send(request("GET", f"/api/v1/admin/keys/export?{query}", TOKEN))
    wire.socket.settimeout(60)
    head = wire.head()
    assert (head.status, head.field("transfer-encoding")) == (200, "chunked")
    assert "attachment" in head.field("content-disposition")
    return wire


def rest_of(wire: Wire) -> tuple[int, int]:
    """Rows and bytes; read as they come, so that the test itself holds none of it."""
    rows, size, tail = 0, 0, b""
    while length := int(wire.until(b"\r\n"), 16):
        data = tail + wire.exactly(length)
        wire.exactly(2)
        whole = data.rfind(b"\n") + 1
        rows, size, tail = rows + data.count(b"bulk-", 0, whole), size + length, data[whole:]
    return rows, size


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_memory_does_not_grow_with_the_export(
    form: str, alone: Gateway, served: "subprocess.Popen[bytes]"
) -> None:
    rest_of(exported(alone, f"format={form}&name_contains=bulk-1234"))
    (pid,) = alone.children()
    before = memory_mib(served.pid, "VmHWM"), memory_mib(pid, "VmHWM")
    began = time.monotonic()

    rows, size = rest_of(exported(alone, f"format={form}&key_type=service"))

    grown = [memory_mib(served.pid, "VmHWM") - before[0], memory_mib(pid, "VmHWM") - before[1]]
    print(f"{form}: {rows} rows, {size >> 20} MiB, {time.monotonic() - began:.1f} s, +{grown} MiB")
    assert rows == ROWS
    assert grown[0] <= 30
    assert grown[1] <= 10


def test_who_leaves_stops_the_queries(alone: Gateway, filled: Database) -> None:
    wire = exported(alone, "format=csv")
    wire.exactly(2_000_000)
    wire.close()
    time.sleep(1.5)

    last = filled.fetch(LAST_PAGE, filled.name)
    time.sleep(1.5)

    assert last != [(None,)]
    assert filled.fetch(LAST_PAGE, filled.name) == last
