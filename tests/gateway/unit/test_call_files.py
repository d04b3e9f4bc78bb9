"""The file of open calls: what was written is read, whatever else stands there is not."""

import os
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from apikeys.requestlog.row import PATH_LENGTH, LogRow
from momentry.common.ids import uuid7_text
from proxy.gateway import opencalls, record
from proxy.gateway.callfile import MAGIC, PAGE, CallFile, Foreign, create, take
from proxy.gateway.opencalls import OpenCalls

NOW = datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC)


def row(path: str = "/proxy/llm/x", **columns: Any) -> LogRow:
    return LogRow(NOW, uuid7_text(), "POST", path, 200, uuid4(), None, "llm", **columns)


def told(file: CallFile) -> list[LogRow]:
    return [found for found in file.rows() if found is not None]


def left(file: CallFile) -> CallFile:
    """Its process is gone."""
    file.close()
    found = take(file.path)
    assert found is not None
    return found


def test_what_was_written_outlives_its_process_and_is_the_same(tmp_path: Path) -> None:
    file = create(tmp_path)
    name = file.name()
    rows = [row(tokens_in=0, user_agent='é"\\ €', first_byte_ms=0.25), row(client_address="::1")]
    for page, one in enumerate(rows):
        file.write(page, one)

    found = left(file)

    assert [str(one.id) for one in told(found)] == [one.id for one in rows]
    assert [one._replace(id="") for one in told(found)] == [one._replace(id="") for one in rows]
    assert found.name() == name == file.path.stem


def test_nobody_takes_the_file_of_one_that_lives(tmp_path: Path) -> None:
    file = create(tmp_path)

    assert take(file.path) is None
    assert left(file).name()


def test_a_page_that_was_cleared_or_torn_tells_nothing(tmp_path: Path) -> None:
    file = create(tmp_path)
    rows = [row() for _ in range(4)]
    for page, one in enumerate(rows):
        file.write(page, one)
    file.clear(1)
    os.pwrite(file.descriptor, b"!", 3 * PAGE + 60)
    os.ftruncate(file.descriptor, 4 * PAGE + 50)

    assert [str(one.id) for one in told(file)] == [rows[0].id]


def test_the_longest_row_fits_its_page(tmp_path: Path) -> None:
    file = create(tmp_path)
    longest = row("ÿ" * PATH_LENGTH, user_agent="ÿ" * 256, error_detail="ÿ" * 200, model="ÿ" * 100)
    file.write(0, longest)
    file.write(1, row("/next"))

    first, second = told(file)

    assert longest.path.startswith(first.path)
    assert second.path == "/next"


@pytest.mark.parametrize("head", [b"x", b"x" * 200, MAGIC + b"\1\0\0\0" + b"a" * 32])
def test_a_file_of_another_version_is_known_for_that(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "1.calls"
    path.write_bytes(head)
    file = take(path)

    assert file is not None
    with pytest.raises(Foreign):
        file.name()


def test_what_was_removed_tells_nothing_also_where_its_name_stays(tmp_path: Path) -> None:
    file = create(tmp_path)
    file.write(0, row())
    other = tmp_path / "other.calls"
    other.hardlink_to(file.path)
    file.remove()

    assert list(tmp_path.iterdir()) == [other]
    found = left(CallFile(other, file.descriptor))
    assert found.is_empty()
    assert told(found) == []


def test_links_pipes_and_directories_are_not_read(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"")
    (tmp_path / "link").symlink_to(target)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "directory").mkdir()

    assert take(tmp_path / "pipe") is None
    for name in ("link", "directory"):
        with pytest.raises(OSError, match=name):
            take(tmp_path / name)


class Call:
    """What is asked of an exchange here."""

    def __init__(self, started: float) -> None:
        self.started = started
        self.over = False
        self.status = 0


def call_since(started: float = -10.0) -> Any:
    return Call(started)


def client(exchange: Any) -> Any:
    return SimpleNamespace(exchange=exchange)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What it says; every call is one that will be logged."""
    now = [0.0]
    monkeypatch.setattr(opencalls, "monotonic", lambda: now[0])
    monkeypatch.setattr(record, "will_be_logged", lambda _: True)
    monkeypatch.setattr(
        record, "row_of_open", lambda call, age: row(f"/{age}", bytes_in=call.status)
    )
    return now


def paths(calls: OpenCalls) -> list[str]:
    assert calls.file is not None
    return [one.path for one in told(calls.file)]


def test_a_call_is_noted_once_it_is_old_and_again_when_twice_as_old(
    tmp_path: Path, clock: list[float]
) -> None:
    calls, clients = OpenCalls(), [client(call_since(0.0)), client(None)]
    calls.open(str(tmp_path))
    seen = []
    for clock[0] in (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.9, 4.0):
        calls.look(clients)
        seen += paths(calls)

    assert seen == ["/0.5"] * 2 + ["/1.0"] * 2 + ["/2.0"] * 2 + ["/4.0"]


def test_its_new_status_is_noted_at_once(tmp_path: Path, clock: list[float]) -> None:
    calls, call = OpenCalls(), call_since()
    calls.open(str(tmp_path))
    calls.look([client(call)])
    call.status, clock[0] = 200, 0.25
    calls.look([client(call)])

    assert calls.file is not None
    assert [one.bytes_in for one in told(calls.file)] == [200]


def test_pages_are_used_again_once_the_row_is_written(tmp_path: Path, clock: list[float]) -> None:
    calls, call, ended = OpenCalls(), call_since(), row("/ended")
    calls.open(str(tmp_path))
    calls.look([client(call)])
    calls.end(call, ended)
    assert paths(calls) == ["/ended"]

    calls.written([row(), ended])
    assert paths(calls) == []
    calls.look([client(call_since())])
    assert (paths(calls), calls.used) == (["/10.0"], 1)


def test_there_are_never_more_than_the_bound(
    tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opencalls, "MOST", 3)
    calls, crowd = OpenCalls(), [call_since() for _ in range(5)]
    calls.open(str(tmp_path))
    calls.look([client(call) for call in crowd])
    assert len(paths(calls)) == 3

    for call in crowd:
        calls.end(call, None)
    assert (paths(calls), calls.marks) == ([], {})


def is_without_file(calls: OpenCalls) -> bool:
    return calls.file is None


def test_a_full_disk_is_said_once_and_tried_again_later(
    tmp_path: Path, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    calls, clients = OpenCalls(), [client(call_since())]
    calls.open(str(tmp_path))
    for _ in range(3):
        assert calls.file is not None
        full = os.open("/dev/full", os.O_RDWR)
        os.dup2(full, calls.file.descriptor)
        os.close(full)
        calls.look(clients)
        assert is_without_file(calls)
        calls.look(clients)
        calls.end(clients[0].exchange, row())
        clock[0] += opencalls.REST_SECONDS
        calls.look([])

    assert [entry.getMessage() for entry in caplog.records] == [
        "open calls cannot be noted in OPEN_CALLS_DIR: No space left on device"
    ]
    calls.look(clients)
    assert len(paths(calls)) == 1
