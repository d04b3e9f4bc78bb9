"""docs/language-models.md: every line of every step is run, in its order, with the vendor's SDK."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests import make
from tests.docs.installation import installation
from tests.docs.pages import page
from tests.gateway.conftest import Database
from tests.gateway.llm import SECRET, TEXT, USAGE, OpenAI
from tests.gateway.misbehaving import says
from tests.gateway.processes import Gateway
from tests.gateway.wire import Server, tcp_server, within

pytestmark = pytest.mark.slow

GUIDE = "docs/language-models.md"
STEP = re.compile(r"^## (\d\. .+)\n(?:.*\n)*?```(sh|python)\n((?:.*\n)*?)```", re.MULTILINE)
GIVEN = {"URL", "ADMIN_TOKEN", "MEMBER", "LLM_URL", "LLM_KEY"}
MODELS = b'{"object": "list", "data": []}'
ALL = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"


class House(NamedTuple):
    gateway: Gateway
    vendor: Server
    values: dict[str, str]


@pytest.fixture
def house(migrated: Database, tmp_path: Path) -> Iterator[House]:
    vendor = tcp_server()
    OpenAI(vendor)
    vendor.on("/v1/models", says(ALL % (len(MODELS), MODELS)))
    with installation(migrated, tmp_path) as installed:
        with installed.database.rows():
            member = make.member("alice")
        place = f"http://127.0.0.1:{vendor.port}"
        own = {"MEMBER": str(member.pk), "LLM_URL": place, "LLM_KEY": SECRET}
        yield House(installed.gateway, vendor, installed.values | own)
    vendor.stop()


def run(program: list[str], values: dict[str, str]) -> str:
    done = subprocess.run(
        program, env={"PATH": os.environ["PATH"], **values}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def documents(text: str) -> list[Any]:
    """JSON documents, one after the other."""
    found, decoder = [], json.JSONDecoder()
    while text := text.strip():
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:]
    return found


def rows_of(text: str, values: dict[str, str]) -> list[Any]:
    (answer,) = documents(run(["sh", "-euc", text], values))
    return list(answer["results"])


def test_every_step_does_what_the_guide_says(house: House) -> None:
    steps = STEP.findall(page(GUIDE))
    assert [title[0] for title, _, _ in steps] == list("1234567")
    values, script = dict(house.values), ""
    said: list[Any] = []
    for title, language, text in steps:
        if language == "python":  # the second goes on where the first ended
            script += text
            said.append(run([sys.executable, "-c", script], values).splitlines())
            continue
        if title.startswith("6"):
            assert within(20, lambda: rows_of(text, values) != [])  # noqa: B023  at once
        said.append(documents(run(["sh", "-euc", text], values)))
        for made in said[-1]:
            values["KEY"] = made.get("api_key") or values.get("KEY", "")

    upstream, tested, _, granted, spoken, logged, refused = said
    assert SECRET not in json.dumps([upstream, tested])
    assert upstream[0]["targets"][0]["api_key_masked"]
    assert [each["outcome"] for each in tested[0]["targets"]] == ["ok"]
    assert granted[2]["api_key"] == values["KEY"]
    assert spoken == [TEXT]
    (row,) = logged[0]["results"]
    told = (row["tokens"]["in"], row["tokens"]["out"], row["usage_source"], row["model"])
    assert told == (USAGE["prompt_tokens"], USAGE["completion_tokens"], "reported", "gpt-4o-mini")
    assert row["cost"] == "0.000073"  # 9 at 2.5 and 5 at 10 millionths, rounded half up
    assert refused[-1] == "quota_exceeded"
    assert len(house.vendor.heads_of("/v1/chat/completions")) == 2
    assert all(values["KEY"].encode() not in head for head in house.vendor.heads)
    assert house.gateway.errors() == []


def test_the_lines_need_only_what_the_guide_names() -> None:
    lines = "\n".join(text for _, language, text in STEP.findall(page(GUIDE)) if language == "sh")

    assert set(re.findall(r"\$([A-Z_]+)", lines)) == GIVEN
    assert all(f"`{name}`" in page(GUIDE).partition("\n## ")[0] for name in GIVEN)
