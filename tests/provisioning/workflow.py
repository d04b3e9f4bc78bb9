"""The n8n workflow of integrations/n8n, and real Node.js for what in it is JavaScript."""

import base64
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).parents[2] / "integrations/n8n/wordpress-registration.json"
EXPRESSION: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
# As n8n's Code node runs it: an async function that gets these names. Its clock may be set.
RUNNER: Final = """
const { code, input, env, nodes, now } = JSON.parse(require('fs').readFileSync(0));
if (now) Date.now = () => now * 1000;
const first = (item) => ({ first: () => item });
const given = { $input: first(input), $json: input && input.json, $env: env, require, Buffer,
  $: (name) => first(nodes[name]), $runIndex: env.runIndex };
const run = Object.getPrototypeOf(async () => {}).constructor;
new run(...Object.keys(given), code)(...Object.values(given)).then(
  (told) => console.log(JSON.stringify({ told })),
  (error) => console.log(JSON.stringify({ error: error.message })),
);
"""


def workflow() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def nodes() -> dict[str, dict[str, Any]]:
    return {node["name"]: node for node in workflow()["nodes"]}


def texts(value: Any) -> Iterator[str]:
    """Every text in it, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts(inner)


def run(code: str, **given: Any) -> Any:
    """What it returns, or ``{"error": message}``."""
    node = shutil.which("node")
    assert node, "Node.js is needed: it runs the workflow's code"
    asked = {"input": None, "env": {}, "nodes": {}, "now": None, **given, "code": code}
    done = subprocess.run(
        [node, "-e", RUNNER], input=json.dumps(asked), capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip
    told = json.loads(done.stdout)
    return told if "error" in told else told["told"]


def value_of(parameter: str, **given: Any) -> Any:
    """As n8n puts one together: of ``={{ a }}/{{ b }}`` a text, of one expression its value."""
    parts = EXPRESSION.split(parameter.removeprefix("="))
    if [part for part in parts[::2] if part]:
        told = [
            run(f"return String({part})", **given) if index % 2 else part
            for index, part in enumerate(parts)
        ]
        return "".join(told)
    return run(f"return {parts[1]}", **given)


def arrived(body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    """What the webhook node hands on with rawBody."""
    raw = {"data": base64.b64encode(body).decode(), "mimeType": "application/json"}
    return {
        "json": {"headers": headers, "params": {}, "query": {}, "body": {}},
        "binary": {"data": raw},
    }
