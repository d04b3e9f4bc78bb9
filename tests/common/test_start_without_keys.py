"""A missing or bad ENCRYPTION_KEY stops every Django command at once and is never repeated."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from momentry.common.crypto.generate import generate

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
GOOD = generate("encryption-key")
BAD = {
    "missing": "",
    "short": GOOD[:-8],
    "typed": "correct-horse-battery-staple-correct-horse-b",
    "second bad": f"{GOOD},{GOOD[:-2]}",
}


def cpu_of_children() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def manage(
    *arguments: str, variables: dict[str, str], seconds: float = 5
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


@pytest.mark.parametrize("key", BAD.values(), ids=BAD)
def test_if_the_key_is_bad_then_the_process_exits_1_naming_the_variable(key: str) -> None:
    """ENC-01: within 5 s, told by its CPU, for this machine may do other work."""
    before = cpu_of_children()
    result = manage("check", variables={**os.environ, "ENCRYPTION_KEY": key}, seconds=30)

    assert cpu_of_children() - before < 5
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("ENCRYPTION_KEY ")
    for word in filter(None, key.split(",")):
        assert word not in result.stdout + result.stderr


def test_if_the_key_file_is_unreadable_then_it_names_the_file_variable(tmp_path: Path) -> None:
    """ENC-01."""
    variables = {**os.environ, "ENCRYPTION_KEY_FILE": str(tmp_path / "nowhere")}
    variables.pop("ENCRYPTION_KEY", None)

    result = manage("check", variables=variables, seconds=30)

    assert result.returncode == 1
    assert "ENCRYPTION_KEY_FILE names a file that cannot be read" in result.stderr


def test_generate_secret_needs_no_setting_at_all() -> None:
    bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}

    result = manage("generate_secret", "encryption-key", variables=bare)

    assert result.returncode == 0, result.stderr
    assert len(result.stdout.strip()) == 44
