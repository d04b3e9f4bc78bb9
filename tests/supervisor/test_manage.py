"""manage.py itself: an old Python, a bad setting, no packages."""

import ast
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from momentry.supervisor.places import ROOT

MANAGE = ROOT / "manage.py"


def test_an_old_python_can_read_it_and_gets_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ast.parse(MANAGE.read_text(), feature_version=(3, 6))
    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))

    code = runpy.run_path(str(MANAGE))["main"]()

    assert code == 1
    assert "needs Python 3.11 or newer and this is Python 3.9.2" in capsys.readouterr().err


def test_a_bad_setting_is_one_sentence_without_its_value() -> None:
    environment = {**os.environ, "MOMENTRY_NO_VENV": "1", "SECRET_KEY": "much-too-short"}

    answer = run(sys.executable, str(MANAGE), "check", environment=environment)

    assert answer.returncode == 1
    assert answer.stderr.startswith("SECRET_KEY must have")
    assert answer.stderr.count("\n") == 1
    assert "much-too-short" not in answer.stderr


def test_without_the_packages_it_says_what_to_run(tmp_path: Path) -> None:
    """A copy without .venv, in an interpreter without site-packages."""
    shutil.copy(MANAGE, tmp_path)
    shutil.copytree(ROOT / "momentry", tmp_path / "momentry")

    answer = run(sys.executable, "-S", "manage.py", "migrate", directory=tmp_path)

    assert answer.returncode == 1
    assert answer.stderr.startswith("The packages are not installed: run 'python3 manage.py up'")


def test_a_command_ends_without_a_last_look_at_all_that_it_loaded() -> None:
    """Else each of the children of `up` takes half a second of CPU to end."""
    code = (
        "import atexit, gc\n"
        "atexit.register(lambda: print('frozen', gc.get_freeze_count()))\n"
        "from momentry.supervisor.entry import run\n"
        "run(['manage.py', 'version'])"
    )

    answer = run(sys.executable, "-c", code, environment={**os.environ, "MOMENTRY_NO_VENV": "1"})

    assert int(answer.stdout.split("frozen ")[1]) > 10_000


def run(
    *command: str, environment: dict[str, str] | None = None, directory: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=environment or {"PATH": os.environ["PATH"]},
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
