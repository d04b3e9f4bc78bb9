"""The README's tour, line by line, as a person would paste it after the first `up`."""

import json
import os
import subprocess

import pytest

from tests.docs.pages import fenced, page
from tests.e2e import up

pytestmark = pytest.mark.slow
WITH_STATUS = "curl() { command curl -sS -w '\\n%{http_code}' \"$@\"; }"


@pytest.fixture
def stack(tmp_path):
    running = up.start(tmp_path / "var")
    yield running
    running.stop()


def test_the_tour_of_the_readme_does_what_it_says(stack):
    variables = {"URL": stack.url, "KEY": stack.demo_key, "ADMIN_TOKEN": stack.admin_token}
    health, echo, me, make, revoke = fenced(page("README.md"), "## Tour")

    assert paste(health, variables) == (200, "ok\n")
    status, seen = paste(echo, variables)
    assert (status, json.loads(seen)["path"]) == (200, "/hello?name=world")
    assert stack.demo_key not in seen
    status, caller = paste(me, variables)
    assert (status, json.loads(caller)["member"]["username"]) == (200, "demo")
    variables["KEY_ID"] = json.loads(caller)["key"]["id"]
    status, made = paste(make, variables)
    assert (status, json.loads(made)["api_key"][:6]) == (201, "muser_")
    assert paste(revoke, variables) == (204, "")
    status, refusal = paste(echo, variables)
    assert (status, json.loads(refusal)["code"]) == (401, "key_revoked")


def paste(line, variables):
    """Status and body of one line of shell."""
    done = subprocess.run(
        ["sh", "-c", f"{WITH_STATUS}\n{line}"],
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body
