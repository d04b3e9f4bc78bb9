"""What leaves the request log can be exported, and an export that fails loses nothing (LOG-05)."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apikeys.management.logexport import LogExport
from apikeys.requestlog.row import COLUMNS
from tests.apikeys.logs import NOON, call, day, log, table, tables, ten_days
from tests.gateway.conftest import Database

pytestmark = pytest.mark.usefixtures("own_rows")


def test_what_goes_is_in_the_export(tmp_path: Path) -> None:
    ten_days()
    log(call(day(9) + NOON, user_agent="=cmd()", path="/ü", client_address="192.0.2.1"))
    file = tmp_path / "old.jsonl.gz"

    call_command("purge_request_logs", "--days=5", f"--export={file}")

    with gzip.open(file, "rt") as lines:
        found = [json.loads(line) for line in lines]
    assert len(found) == 11
    assert [row["ts"] for row in found] == sorted(row["ts"] for row in found)
    (odd,) = [row for row in found if row["path"] == "/ü"]
    assert (odd["client_address"], odd["user_agent"], odd["key_id"]) == (
        "192.0.2.1",
        "=cmd()",
        None,
    )
    assert list(odd) == list(COLUMNS)
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_csv_export_has_one_head_and_no_formulas(tmp_path: Path) -> None:
    ten_days()
    log(call(day(9) + NOON, user_agent="=cmd()"))
    file = tmp_path / "old.csv.gz"

    call_command("purge_request_logs", "--days=5", f"--export={file}")

    with gzip.open(file, "rt", newline="") as lines:
        head, *rows = csv.reader(lines)
    assert head == list(COLUMNS)
    assert len(rows) == 11
    assert "'=cmd()" in [row[-1] for row in rows]


def test_an_export_that_fails_drops_nothing_more(
    log_house: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ten_days()
    real, file = LogExport.texts, tmp_path / "old.jsonl.gz"

    def full(export: LogExport, name: str) -> Any:
        yield from real(export, name)
        if name == table(9):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(LogExport, "texts", full)
    with pytest.raises(OSError, match="No space"):
        call_command("purge_request_logs", "--days=5", f"--export={file}")

    assert tables(log_house)[0] == table(9)
    with gzip.open(file, "rt") as lines:
        assert len(list(lines)) == 2
    monkeypatch.undo()
    call_command("purge_request_logs", "--days=5", f"--export={tmp_path / 'more.csv.gz'}")
    assert tables(log_house)[0] == table(5)


def test_an_export_overwrites_nothing(log_house: Database, tmp_path: Path) -> None:
    ten_days()
    file = tmp_path / "old.csv.gz"
    file.write_text("mine")

    with pytest.raises(CommandError, match="Nothing was done"):
        call_command("purge_request_logs", "--days=5", f"--export={file}")

    assert (len(tables(log_house)), file.read_text()) == (11, "mine")
