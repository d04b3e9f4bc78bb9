"""``manage.py scan_leaks`` with the database: which keys are real, and what becomes of them."""

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from apikeys.leaks.history import History
from apikeys.leaks.reading import Searcher
from apikeys.leaks.scan import Scan
from apikeys.leaks.settings import REPORT
from apikeys.models import Leak
from apikeys.services.leakscan import Installation
from events.models import Mail
from tests import make
from tests.apikeys.calls import code
from tests.apikeys.leaking import given, minted
from tests.apikeys.repositories import commit, git, new_repository
from tests.apikeys.stored import SECRET, imported

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def policy(settings: Any) -> None:
    settings.LEAKS = given()


def scan(*words: Any) -> tuple[int, list[dict[str, Any]]]:
    out, err = StringIO(), StringIO()
    try:
        call_command("scan_leaks", "--json", *map(str, words), stdout=out, stderr=err)
    except SystemExit as end:
        return int(end.code or 0), documents(out)
    return 0, documents(out)


def documents(out: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_real_keys_are_quarantined_and_told_from_others(tmp_path: Path) -> None:
    issued = make.key()
    (tmp_path / "a").write_text(f"{minted()}\n{issued.secret}\n")
    (tmp_path / "b").write_text(f"{issued.secret}")

    status, found = scan(tmp_path)

    assert status == 1
    assert [(d["verdict"], d.get("done")) for d in found] == [
        ("unknown", None), ("real", "quarantined"), ("real", "ended"),
    ]  # fmt: skip
    assert found[1]["key_id"] == issued.key.pk.hex
    assert issued.secret not in str(found)
    assert code(issued.secret) == "key_quarantined"
    assert Mail.objects.filter(template="key_leaked").count() == 1
    leak = Leak.objects.order_by("found_at").first()
    assert leak is not None
    assert (leak.origin, leak.where) == ("scan", f"{tmp_path}/a:2")


def test_keys_of_nobody_are_no_alarm(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(minted())

    assert scan(tmp_path)[0] == 0


def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    issued = make.key()
    (tmp_path / "a").write_text(issued.secret)

    status, (found,) = scan("--dry-run", tmp_path)

    assert (status, found["verdict"], "done" in found) == (1, "real", False)
    assert code(issued.secret) == ""
    assert not Leak.objects.exists()


def test_by_policy_they_are_only_reported(tmp_path: Path, settings: Any) -> None:
    settings.LEAKS = given(policy=REPORT)
    issued = make.key()
    (tmp_path / "a").write_text(issued.secret)

    assert scan(tmp_path)[1][0]["done"] == "reported"
    assert code(issued.secret) == ""


def test_imported_keys_are_found_by_the_formats_that_were_imported(tmp_path: Path) -> None:
    imported()
    (tmp_path / "a").write_text(f'{{"token":"{SECRET}"}} and sk-auto-of-no-key-at-all-12345')

    status, found = scan(tmp_path)

    assert (status, len(found)) == (1, 1)
    assert (found[0]["key"], found[0]["done"]) == ("sk-auto-…****", "quarantined")
    assert SECRET not in str(found)


def test_many_candidates_take_few_statements(
    tmp_path: Path, django_assert_max_num_queries: Any
) -> None:
    imported()
    lines = (f"sk-auto-candidate-number-{number:06}" for number in range(1000))
    (tmp_path / "a").write_text("\n".join(lines))

    with django_assert_max_num_queries(8):
        assert scan(tmp_path) == (0, [])


def test_of_a_history_only_real_keys_are_located(tmp_path: Path, monkeypatch: Any) -> None:
    """To locate is to walk all of it: not for texts that nobody asked about yet."""
    imported()
    issued = make.key()
    repository = new_repository(tmp_path / "repository")
    commit(repository, "a", f"{minted()} sk-auto-candidate-of-nobody")
    newest = commit(repository, "b", issued.secret)
    asked: list[set[str]] = []
    paths_of = History.paths_of

    def noting(self: History, names: set[str]) -> dict[str, str]:
        asked.append(names)
        return paths_of(self, names)

    monkeypatch.setattr(History, "paths_of", noting)

    found = {d["verdict"]: d for d in scan("--history", repository)[1]}

    assert asked == [{git(repository, "rev-parse", "HEAD:b")}]
    assert (found["real"]["file"], found["real"]["commit"]) == ("b", newest)
    assert "commit" not in found["unknown"]
    assert Leak.objects.get().where == f"{newest[:12]}:b:1"


def test_what_is_found_is_dealt_with_before_the_rest_is_read(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("apikeys.leaks.scan.AT_ONCE", 1)
    issued, later = make.key(), make.key(make.member("bob"))
    (tmp_path / "a").write_text(issued.secret)
    (tmp_path / "b").write_text(later.secret)
    searcher = Searcher()
    looking = Scan(str(tmp_path), searcher, Installation(dry_run=False), lambda *_: None)

    next(looking.run())

    assert [code(each.secret) for each in (issued, later)] == ["key_quarantined", ""]


NOWHERE = {
    **os.environ,
    "MOMENTRY_NO_VENV": "1",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing",
}


def test_without_a_database_it_says_what_helps(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(minted())
    command = [sys.executable, "manage.py", "scan_leaks", str(tmp_path)]

    run = subprocess.run(command, cwd=ROOT, env=NOWHERE, capture_output=True, check=False)

    assert run.returncode == 2
    assert b"--offline" in run.stderr
    assert b"Traceback" not in run.stderr
