"""A killed process's open calls appear in the log as aborted, each once (DESIGN §6, DUR-02, 03)."""

import contextlib
import json
import os
import shutil
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import pytest

from apikeys.ledger import sql
from apikeys.requestlog.row import LogRow
from proxy.gateway.callfile import ENDING, PAGE, unpacked
from tests.gateway import metered
from tests.gateway.conftest import Database, Start
from tests.gateway.handshake import ASKED, accepted
from tests.gateway.logbooks import faults, now
from tests.gateway.metered import assert_used, path_of
from tests.gateway.processes import Gateway, request, rows_of
from tests.gateway.test_metered_ends import BODY, CHATTED, CHATTED_TOKENS, HELD, READ, Begun
from tests.gateway.uploads import upload
from tests.gateway.wire import Script, Server, Wire, within
from tests.gateway.wiretap import Wiretap

pytestmark = pytest.mark.slow
OWN: Final = "upstream-secret-1"


@pytest.fixture(scope="module", autouse=True)
def _upstreams(database: Database, upstream: Server) -> Iterator[None]:
    with metered.metered_upstreams(database, upstream):
        yield


def notes(directory: Path) -> list[LogRow]:
    """What stands there now, whoever wrote it."""
    found = []
    for path in directory.glob(f"*{ENDING}"):
        with contextlib.suppress(FileNotFoundError):
            data = path.read_bytes()
            found += [unpacked(data[n : n + PAGE]) for n in range(PAGE, len(data), PAGE)]
    return [row for row in found if row is not None]


def noted(directory: Path, count: int) -> list[LogRow]:
    found: list[LogRow] = []

    def look() -> bool:
        found[:] = notes(directory)
        return len(found) == count

    assert within(5, look), found
    return found


def kill(gateway: Gateway, *, whole: bool) -> None:
    """Both children, or everything at once."""
    children = gateway.children()
    if whole:
        gateway.process.send_signal(signal.SIGKILL)
    for child in children:
        os.kill(child, signal.SIGKILL)
    if whole:
        gateway.process.wait(10)


def until_written(directory: Path) -> None:
    """Nothing is left of who died."""
    assert within(20, lambda: not notes(directory)), notes(directory)


def died(database: Database, key: str) -> list[dict[str, Any]]:
    owner = uuid.UUID(key.split("_")[1])
    return rows_of(database.conninfo, "key_id = %s AND code = 'process_died'", owner)


def waits(wire: Wire, _head: bytes) -> None:
    """Takes a request and never answers."""
    wire.until(b"never")


def talks(wire: Wire, _head: bytes) -> None:
    wire.send(accepted()).until(b"never")


def calls(gateway: Gateway, upstream: Server, key: str) -> list[tuple[str, Wire]]:
    """One of each kind, two of each: so that both processes are likely to have some."""
    opened: list[tuple[str, Wire]] = []
    for _ in range(2):
        begun = Begun(upstream, CHATTED)
        opened.append((metered.place("openai", begun.path), begun.call(gateway, key, "openai")))
        up = upload(f"/proxy/echo{path_of(upstream, waits)}", key, "sized", 300_000)
        opened.append((request_path(up.head), gateway.connect().send(up.head + up.first[:70_000])))
        path = path_of(upstream, talks)
        wire = gateway.connect().send(request("GET", f"/proxy/echo{path}", key, *ASKED))
        assert wire.head().status == 101
        opened.append((f"/proxy/echo{path}", wire))
        path = f"/proxy/echo{path_of(upstream, waits)}?k=query-words"
        opened.append((path.partition("?")[0], gateway.connect().send(request("GET", path, key))))
    return opened


def request_path(head: bytes) -> str:
    return head.split(b" ")[1].decode()


@pytest.mark.parametrize("whole", [False, True], ids=["children", "all"])
def test_each_open_call_of_a_killed_process_has_one_row(
    start: Start, database: Database, upstream: Server, seeded: str, tmp_path: Path, whole: bool
) -> None:
    directory = tmp_path / "open"
    gateway, began = start(2, OPEN_CALLS_DIR=str(directory)).wait_until_ready(), now(database)
    key = database.key_for(f"k{uuid.uuid4().hex[:8]}", f"echo {metered.NAMES}")
    open_calls = dict(calls(gateway, upstream, key))
    noted(directory, len(open_calls))

    kill(gateway, whole=whole)
    (start(2, OPEN_CALLS_DIR=str(directory)) if whole else gateway).wait_until_ready()
    until_written(directory)

    rows = {row["path"]: row for row in died(database, key)}
    assert sorted(rows) == sorted(open_calls)
    assert len(died(database, key)) == len(open_calls)
    assert {row["usage_source"] for row in rows.values()} == {"aborted"}
    assert {row["client_address"] for row in rows.values()} == {ip_address("127.0.0.1")}
    assert all(row["id"] and row["upstream"] and row["target"] for row in rows.values())
    assert {row["total_ms"] for row in rows.values()} == {None}
    assert {row["status"] for row in rows.values()} == {101, 200, 500}
    sizes = {row["bytes_in"] for row in rows.values() if row["method"] == "POST"}
    assert sizes == {len(BODY), 70_000}
    streams = [row for row in rows.values() if row["upstream"] == "m-openai"]
    assert {(row["tokens_in"], row["tokens_out"]) for row in streams} == {(READ, CHATTED_TOKENS)}
    assert faults(database, key, began) == []


def test_what_was_held_is_what_the_row_and_the_ledger_say(
    start: Start, database: Database, upstream: Server, tmp_path: Path
) -> None:
    gateway = start(OPEN_CALLS_DIR=str(tmp_path)).wait_until_ready()
    key = metered.limited(database, tokens_lifetime=READ + HELD)
    Begun(upstream, CHATTED).call(gateway, key, "openai")
    noted(tmp_path, 1)

    kill(gateway, whole=False)
    until_written(tmp_path)

    (row,) = died(database, key)
    assert (row["tokens_in"], row["tokens_out"]) == (READ, HELD)
    assert (row["model"], row["usage_source"], row["status"]) == ("gpt-x", "aborted", 200)
    assert_used(database, key, {"tokens": READ + HELD})
    assert database.fetch(sql.VERIFY) == []


def test_a_call_that_ended_has_its_own_row_alone(
    start: Start, database: Database, upstream: Server, key: str, tmp_path: Path
) -> None:
    gateway = start(OPEN_CALLS_DIR=str(tmp_path)).wait_until_ready()
    goes_on = threading.Event()
    path = path_of(upstream, answers_once(goes_on))
    wire = gateway.connect().send(request("GET", f"/proxy/echo{path}", key))
    noted(tmp_path, 1)
    goes_on.set()
    assert wire.answer().status == 200
    assert within(5, lambda: notes(tmp_path) == [])

    kill(gateway, whole=False)
    assert within(15, lambda: gateway.get("/readyz").status == 200)
    time.sleep(0.5)

    (row,) = rows_of(database.conninfo, "path = %s", f"/proxy/echo{path}")
    assert (row["status"], row["code"], row["usage_source"]) == (200, "", "")


def test_a_row_that_could_not_be_written_before_the_kill_is_not_lost(
    start: Start, database: Database, upstream: Server, tmp_path: Path, tap: Wiretap
) -> None:
    gateway = start(DATABASE_URL=tap.url, OPEN_CALLS_DIR=str(tmp_path)).wait_until_ready()
    begun = Begun(upstream, CHATTED)
    path = metered.place("openai", begun.path)
    wire = begun.call(
        gateway, limited := metered.limited(database, tokens_per_month=9_000), "openai"
    )
    noted(tmp_path, 1)
    tap.swallow_all(new=True)  # the log has no connection yet
    wire.close()
    assert within(5, lambda: [row.error_detail for row in notes(tmp_path)] == ["The client left."])

    kill(gateway, whole=True)
    start(OPEN_CALLS_DIR=str(tmp_path)).wait_until_ready()
    until_written(tmp_path)

    (row,) = rows_of(database.conninfo, "path = %s", path)
    assert (row["status"], row["code"], row["error_detail"]) == (200, "", "The client left.")
    assert (row["tokens_in"], row["tokens_out"]) == (READ, CHATTED_TOKENS)
    assert died(database, limited) == []


def test_a_file_that_comes_back_writes_nothing_twice(
    start: Start, database: Database, upstream: Server, key: str, tmp_path: Path
) -> None:
    """As where the answer to a COMMIT was lost, or two read the same file."""
    directory = tmp_path / "open"
    gateway = start(OPEN_CALLS_DIR=str(directory)).wait_until_ready()
    path = path_of(upstream, waits)
    gateway.connect().send(request("GET", f"/proxy/echo{path}", key))
    noted(directory, 1)
    (file,) = directory.glob(f"*{ENDING}")
    kill(gateway, whole=True)
    kept = shutil.copy(file, tmp_path / "kept")

    again = start(2, OPEN_CALLS_DIR=str(directory)).wait_until_ready()
    until_written(directory)
    shutil.copy(kept, file)
    until_written(directory)

    assert len(rows_of(database.conninfo, "path = %s", f"/proxy/echo{path}")) == 1
    assert again.errors() == []


def test_a_note_that_its_own_row_outran_changes_nothing(
    start: Start, database: Database, upstream: Server, key: str, tmp_path: Path
) -> None:
    """Killed after the COMMIT, before the note was taken away."""
    directory, goes_on = tmp_path / "open", threading.Event()
    gateway = start(OPEN_CALLS_DIR=str(directory)).wait_until_ready()
    path = path_of(upstream, answers_once(goes_on))
    wire = gateway.connect().send(request("GET", f"/proxy/echo{path}", key))
    noted(directory, 1)
    (file,) = directory.glob(f"*{ENDING}")
    kept = shutil.copy(file, tmp_path / "kept")
    goes_on.set()
    assert wire.answer().status == 200
    assert within(5, lambda: notes(directory) == [])
    kill(gateway, whole=True)
    shutil.copy(kept, file)

    again = start(OPEN_CALLS_DIR=str(directory)).wait_until_ready()
    until_written(directory)

    (row,) = rows_of(database.conninfo, "path = %s", f"/proxy/echo{path}")
    assert (row["status"], row["code"]) == (200, "")
    assert not [line for line in again.lines if "refused" in line]


def answers_once(goes_on: threading.Event) -> Script:
    def answer(wire: Wire, _head: bytes) -> None:
        goes_on.wait(20)
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    return answer


def test_nothing_secret_stands_there_and_nobody_else_may_read_it(
    start: Start, database: Database, upstream: Server, key: str, tmp_path: Path
) -> None:
    directory = tmp_path / "made" / "here"
    gateway = start(OPEN_CALLS_DIR=str(directory)).wait_until_ready()
    body = json.dumps({"model": "gpt-x", "prompt": "words-of-a-body", "stream": True}).encode()
    limited = metered.limited(database, tokens_per_month=9_000)
    begun = metered.place("openai", Begun(upstream, CHATTED).path)
    fields = (metered.JSON, "X-Own: words-of-a-field")
    call = request("POST", f"{begun}?k=words-of-a-query", limited, *fields, body=body)
    gateway.connect().send(call)
    in_path = f"/proxy/echo{path_of(upstream, waits, f'/{key}')}"
    gateway.connect().send(request("GET", in_path, key, f"User-Agent: {key}"))
    noted(directory, 2)

    (file,) = directory.glob(f"*{ENDING}")
    data = file.read_bytes()
    assert begun.encode() in data
    assert b"words-of" not in data
    assert OWN.encode() not in data
    assert not any(secret.rpartition("_")[2].encode() in data for secret in (key, limited))
    assert file.stat().st_mode & 0o777 == 0o600
    assert directory.stat().st_mode & 0o777 == 0o700
    assert gateway.stop() == 0
    assert list(directory.iterdir()) == []


def test_where_nothing_can_be_noted_it_is_said_once(
    start: Start, upstream: Server, key: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    gateway = start(OPEN_CALLS_DIR=str(tmp_path / "file" / "open")).wait_until_ready()

    assert gateway.get("/proxy/echo/killed", key).status == 200
    assert gateway.stop() == 0

    assert len([line for line in gateway.lines if "open calls cannot be noted" in line]) == 1
    assert gateway.errors() == []
