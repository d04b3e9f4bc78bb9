"""Batches as processes: killed, out of disk, at once. Nothing is ever half done."""

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from momentry.supervisor.places import ROOT
from tests import make
from tests.gateway.conftest import Database, own_database
from tests.gateway.wire import within

pytestmark = pytest.mark.slow

WAITING = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = %s AND wait_event_type = 'Lock'
"""
SERVICE = {"key_type": "service", "role": "metrics"}


@pytest.fixture(scope="module")
def database(migrated: Database) -> Iterator[Database]:
    with own_database(migrated, "bulk") as made:
        with made.rows():
            make.member("alice")
        yield made


def keys(database: Database) -> int:
    ((count,),) = database.fetch("SELECT count(*) FROM apikeys_apikey")
    return int(str(count))


def start(database: Database, *arguments: str, **given: Any) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "DATABASE_URL": database.url, "MOMENTRY_NO_VENV": "1"}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "api-key", *arguments],
        env=environment,
        stderr=subprocess.PIPE,
        **{"stdout": subprocess.PIPE, **given},
    )


def entries(path: Path, count: int) -> str:
    listed = [{**SERVICE, "name": f"{path.name}-{number}"} for number in range(count)]
    path.write_text(json.dumps({"keys": listed}))
    return str(path)


def test_a_kill_in_the_middle_creates_nothing(database: Database, tmp_path: Path) -> None:
    """Its last key's owner is somebody else's for now: it waits there, with all others made."""
    before, out = keys(database), tmp_path / "out"
    listed = [{**SERVICE, "name": f"many-{number}"} for number in range(50)]
    file = tmp_path / "many"
    file.write_text(json.dumps({"keys": [*listed, {"name": "last", "owner": "alice"}]}))
    with psycopg.connect(database.conninfo) as holder:
        holder.execute("SELECT 1 FROM accounts_user WHERE username = 'alice' FOR UPDATE")
        process = start(database, "batch-create", "--file", str(file), "--out", str(out))
        try:
            assert within(60, lambda: database.fetch(WAITING, database.name) == [(1,)])
        finally:
            process.kill()
            process.communicate()

    assert process.returncode == -signal.SIGKILL
    assert within(10, lambda: database.fetch(WAITING, database.name) == [(0,)])
    assert keys(database) == before
    assert out.read_bytes() == b""  # the new file is there; the next run needs another name


def test_a_full_disk_creates_nothing(database: Database, tmp_path: Path) -> None:
    """A file may not grow past one block: the write fails as it does on a full disk."""
    before, out = keys(database), tmp_path / "out"
    few = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))  # noqa: E731  one call
    file = entries(tmp_path / "some", 50)
    process = start(database, "batch-create", "--file", file, "--out", str(out), preexec_fn=few)

    _, said = process.communicate(timeout=30)

    assert (process.returncode, keys(database), out.exists()) == (1, before, False)
    assert b"File too large. Nothing was done." in said


@pytest.mark.parametrize("count", [1, 200])
def test_a_standard_output_that_is_full_creates_nothing(
    count: int, database: Database, tmp_path: Path
) -> None:
    before = keys(database)
    file = entries(tmp_path / "some", count)
    with Path("/dev/full").open("wb") as full:
        process = start(database, "batch-create", "--file", file, stdout=full)
        _, said = process.communicate(timeout=30)

    assert (process.returncode, keys(database)) == (1, before)
    assert b"No space left on device. Nothing was done." in said
    assert b"Traceback" not in said


def test_of_two_imports_of_one_file_at_once_one_is_refused(
    database: Database, tmp_path: Path
) -> None:
    hashes = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(200)]
    listed = [
        {**SERVICE, "name": f"i{place}", "secret_hash": {"format": "sk-auto-", "sha256": value}}
        for place, value in enumerate(hashes)
    ]
    before, file = keys(database), tmp_path / "import.jsonl"
    file.write_text("".join(json.dumps(entry) + "\n" for entry in listed))

    both = [start(database, "import", "--file", str(file)) for _ in range(2)]
    said = [process.communicate(timeout=60)[1].decode() for process in both]

    assert sorted(process.returncode for process in both) == [0, 1]
    assert keys(database) == before + 200
    assert sum(text.count("another key has this hash already") for text in said) == 200


def test_a_reader_that_leaves_creates_nothing(database: Database, tmp_path: Path) -> None:
    before = keys(database)
    process = start(database, "batch-create", "--file", entries(tmp_path / "some", 400))
    assert process.stdout is not None
    process.stdout.close()

    assert process.stderr is not None
    said = process.stderr.read()

    assert (process.wait(30), keys(database)) == (1, before)
    assert b"Broken pipe. Nothing was done." in said
    process.stderr.close()
