"""``momentry`` as pip installs it, and ``api-key`` for ``apikey``."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from momentry.supervisor.places import ROOT

pytestmark = pytest.mark.slow

SCRIPT = "import sys; from momentry.supervisor.entry import main; sys.exit(main())"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages as they lie in site-packages: no manage.py, no requirements beside them."""
    place = tmp_path_factory.mktemp("site-packages")
    for pattern in PACKAGES:
        name = pattern.rstrip("*")
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    return place


def momentry(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        env={**os.environ, "PYTHONPATH": str(place)},
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_script_is_declared_and_every_app_is_in_the_package() -> None:
    apps = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}

    assert PROJECT["project"]["scripts"] == {"momentry": "momentry.supervisor.entry:main"}
    assert {pattern.rstrip("*") for pattern in PACKAGES} == apps


@pytest.mark.parametrize("name", ["apikey", "api-key"])
def test_an_installed_script_runs_commands(name: str, installed: Path) -> None:
    answer = momentry(installed, name, "batch-create", "--help")

    assert (answer.returncode, answer.stderr) == (0, "")
    assert "--dry-run" in answer.stdout


@pytest.mark.parametrize("command", ["up", "test"])
def test_what_needs_the_checkout_says_so(command: str, installed: Path) -> None:
    answer = momentry(installed, command)

    assert answer.returncode == 1
    assert answer.stderr == (
        f"'{command}' needs the checkout: run 'python3 manage.py {command}' there.\n"
    )
