"""docs/environment-to-database.md: every line of every step is run, on a real installation."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import make
from tests.docs.installation import installation
from tests.docs.pages import ROOT, fenced, page
from tests.gateway.conftest import Database
from tests.gateway.processes import Gateway
from tests.gateway.wire import Server, tcp_server

pytestmark = pytest.mark.slow

GUIDE = "docs/environment-to-database.md"
STEP = re.compile(r"^## (\d\. .+)$", re.MULTILINE)
FIRST, SECOND = "sk-proj-first-0123456789abcdef", "sk-proj-second-0123456789abcdef"
LINE = "llm  active  1 targets  header  {0}  llm\n"
GIVEN = {"URL", "ADMIN_TOKEN", "KEY", "LLM_URL", "LLM_KEY_FILE", "NEW_KEY_FILE"}


class House(NamedTuple):
    database: Database
    gateway: Gateway
    upstream: Server
    values: dict[str, str]


@pytest.fixture
def house(migrated: Database, tmp_path: Path) -> Iterator[House]:
    upstream = tcp_server()
    with installation(migrated, tmp_path) as installed:
        values = installed.environment | installed.values
        values |= told(installed.database, upstream, tmp_path)
        yield House(installed.database, installed.gateway, upstream, values)
    upstream.stop()


def told(database: Database, upstream: Server, place: Path) -> dict[str, str]:
    """What the guide says that its lines expect."""
    for name, text in (("first", FIRST), ("second", SECOND)):
        (place / name).write_text(f"{text}\n")
    with database.rows():
        key = make.key(make.member("alice", tier="starter")).secret
    return {
        "KEY": key,
        "LLM_URL": f"http://127.0.0.1:{upstream.port}/v1",
        "LLM_KEY_FILE": str(place / "first"),
        "NEW_KEY_FILE": str(place / "second"),
    }


def steps() -> dict[str, list[str]]:
    text = page(GUIDE)
    return {step: fenced(text, f"## {step}") for step in STEP.findall(text)}


def run(house: House) -> dict[str, str]:
    """One shell for all, which stops at the first line that fails; what each step printed."""
    lines = ["set -eu", 'python3() { "$PYTHON" "$@"; }']
    for step, block in steps().items():
        lines += [f"echo '=== {step}'", *block]
    mine = {"PYTHON": sys.executable, "MOMENTRY_NO_VENV": "1"}
    done = subprocess.run(
        ["sh", "-c", "\n".join(lines)], cwd=ROOT, env={**os.environ, **house.values, **mine},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert FIRST not in done.stdout.replace(f"Authorization: Bearer {FIRST}", "")
    parts = re.split(r"^=== (.+)\n", done.stdout, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_step_does_what_the_guide_says(house: House) -> None:
    said = [text for _, text in sorted(run(house).items())]

    assert len(said) == 8
    assert LINE.format("none") in said[1]
    well = r"^\S+/v1  ok  sk-\*\*\*cdef  \d+ ms  It answers 200\.$"
    assert re.search(well, said[2], re.MULTILINE)
    assert b"GET /v1/first HTTP/1.1\r\n" in b"".join(house.upstream.heads)
    assert f"Authorization: Bearer {FIRST}" in said[3]  # the upstream tells what it was sent
    assert '"usage_format": "openai"' in said[4]
    assert '"first_byte_timeout_ms": 120000' in said[4]
    assert FIRST not in said[4]
    assert f"Authorization: Bearer {SECOND}" in said[5]
    assert LINE.format("openai") in said[6]
    assert "llm" not in said[7].replace("Deleted llm.", "")
    assert "0 upstreams." in said[7]
    actors = house.database.fetch("SELECT actor FROM events_event WHERE kind = 'upstream:created'")
    assert actors == [("environment",)]
    assert house.gateway.errors() == []


def test_each_step_has_lines_and_needs_only_what_the_guide_names() -> None:
    found = steps()
    text = "\n".join(line for block in found.values() for line in block)
    named = set(re.findall(r"\$([A-Z_]+)", text))

    assert len(found) == 8
    assert all(found.values())
    assert named <= GIVEN
    assert all(f"`{name}`" in page(GUIDE).partition("\n## ")[0] for name in GIVEN)
