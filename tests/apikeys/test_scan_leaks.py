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

from apikeys.leaks.settings import REPORT
from apikeys.models import Leak
from events.models import Mail
from tests import make
from tests.apikeys.calls import code
from tests.apikeys.leaking import given, minted
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
