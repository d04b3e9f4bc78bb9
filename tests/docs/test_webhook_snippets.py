"""What docs/events.md tells receivers to do is done here, by each language's own interpreter."""

import json
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from events.webhooks.signing import headers_of, key_of
from tests import make
from tests.docs.pages import page

BODY = '{"type":"member:updated","data":{"of":"王 & \\"ß\\""}}'.encode()
SECRET, OTHER = make.webhook_secret(1), make.webhook_secret(2)
SIGNED = ("webhook-id", "webhook-timestamp", "webhook-signature")


def snippet(heading: str, language: str) -> str:
    """As it stands on the page, blank lines and all."""
    section = page("docs/events.md").partition(f"\n### {heading}\n")[2]
    return section.partition(f"```{language}\n")[2].partition("\n```")[0]


def python(secret: str, headers: Mapping[str, str], body: Path) -> list[str]:
    asks = f"print(is_ours({secret!r}, {dict(headers)!r}, open({str(body)!r}, 'rb').read()))"
    return [sys.executable, "-c", f"{snippet('Python', 'python')}\n{asks}"]


def php(secret: str, headers: Mapping[str, str], body: Path) -> list[str]:
    given = f"json_decode('{json.dumps(dict(headers))}', true)"
    asks = f"echo is_ours('{secret}', {given}, file_get_contents('{body}')) ? 'True' : 'False';"
    return ["php", "-r", f"{snippet('PHP', 'php')}\n{asks}"]


def javascript(secret: str, headers: Mapping[str, str], body: Path) -> list[str]:
    read = f"require('node:fs').readFileSync({json.dumps(str(body))})"
    asks = f"isOurs({json.dumps(secret)}, {json.dumps(dict(headers))}, {read}) ? 'True' : 'False'"
    return ["node", "-e", f"{snippet('JavaScript', 'javascript')}\nconsole.log({asks});"]


def shell(secret: str, headers: Mapping[str, str], body: Path) -> list[str]:
    asks = 'is_ours "$@" && echo True || echo False'
    given = [secret, *(headers[name] for name in SIGNED), str(body)]
    return ["sh", "-c", f"{snippet('Shell', 'sh')}\n{asks}", "sh", *given]


LANGUAGES: dict[str, Callable[..., list[str]]] = {
    "python": python, "php": php, "javascript": javascript, "shell": shell,
}  # fmt: skip


def signed(*secrets: str, later: int = 0) -> dict[str, str]:
    """``later``: seconds from now."""
    now = int(time.time()) + later
    headers = headers_of(uuid.uuid4(), BODY, [key_of(each) for each in secrets], now)
    return {name: headers[name] for name in SIGNED}


def a_prefix() -> dict[str, str]:
    headers = signed(SECRET)
    return headers | {"webhook-signature": headers["webhook-signature"][:-4]}


# Signed as the test runs: collected long before, they would be too old.
CASES: dict[str, tuple[Callable[[], dict[str, str]], bytes, str]] = {
    "ours": (lambda: signed(SECRET), BODY, "True"),
    "while a secret is exchanged": (lambda: signed(OTHER, SECRET), BODY, "True"),
    "another's": (lambda: signed(OTHER), BODY, "False"),
    "another body": (lambda: signed(SECRET), BODY + b" ", "False"),
    "another id": (lambda: signed(SECRET) | {"webhook-id": "x"}, BODY, "False"),
    "too old": (lambda: signed(SECRET, later=-400), BODY, "False"),
    "of the future": (lambda: signed(SECRET, later=400), BODY, "False"),
    "nothing": (lambda: signed(SECRET) | {"webhook-signature": ""}, BODY, "False"),
    "a prefix": (a_prefix, BODY, "False"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_snippet_takes_what_is_ours_and_nothing_else(language, case, tmp_path):
    make_headers, body, wanted = CASES[case]
    (tmp_path / "body").write_bytes(body)
    command = LANGUAGES[language](SECRET, make_headers(), tmp_path / "body")
    assert shutil.which(command[0]), f"{command[0]} is needed to run what the page says"

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (done.stdout.strip(), done.stderr) == (wanted, "")
