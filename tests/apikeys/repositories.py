"""Repositories that keys were committed to, and ``scan_leaks --offline`` run over them."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.apikeys.leaking import minted

ROOT = Path(__file__).parents[2]
KEY = minted()
BARE = {"PATH": os.environ["PATH"], "MOMENTRY_NO_VENV": "1", "HOME": "/nonexistent"}


def scan(
    *words: str | Path, stdin: bytes | int = b"", **env: str
) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "manage.py", "scan_leaks", "--offline", *map(str, words)]
    given = {"stdin": stdin} if isinstance(stdin, int) else {"input": stdin}
    run = subprocess.run(
        command, cwd=ROOT, env={**BARE, **env}, capture_output=True, check=False, **given
    )  # fmt: skip
    out, err = run.stdout.decode(), run.stderr.decode()
    assert "Traceback" not in err
    assert KEY not in out + err
    return subprocess.CompletedProcess(command, run.returncode, out, err)


def documents(run: "subprocess.CompletedProcess[str]") -> list[dict[str, object]]:
    return [json.loads(line) for line in run.stdout.splitlines()]


def git(repository: Path, *words: str) -> str:
    names = {
        f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    run = subprocess.run(
        ["git", "-C", str(repository), *words],
        env={**BARE, **names, "GIT_CONFIG_NOSYSTEM": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.strip()


def new_repository(made: Path) -> Path:
    made.mkdir()
    git(made, "init", "-q", "-b", "main")
    return made


def commit(repository: Path, name: str, text: str, message: str = "change") -> str:
    (repository / name).write_text(text)
    git(repository, "add", name)
    git(repository, "commit", "-q", "-m", message)
    return git(repository, "rev-parse", "HEAD")


def file_of(repository: Path, name: str) -> Path:
    """Where the loose object is kept; it may be written."""
    number = git(repository, "rev-parse", name)
    path = repository / ".git" / "objects" / number[:2] / number[2:]
    path.chmod(0o644)
    return path
