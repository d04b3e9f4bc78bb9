"""README: the two commands, and a tour of five lines that the end-to-end test runs."""

import os
import subprocess

import pytest

from tests.docs.pages import fenced, page

VARIABLES = {"URL", "KEY", "KEY_ID", "ADMIN_TOKEN"}


def tour() -> list[str]:
    """The five lines; they expect URL, KEY, KEY_ID and ADMIN_TOKEN in the environment."""
    return fenced(page("README.md"), "## Tour")


@pytest.mark.parametrize("command", ["python3 manage.py up", "python3 manage.py test"])
def test_the_two_commands_stand_in_a_block_of_their_own(command):
    assert command in fenced(page("README.md"), "## Two commands")


def test_the_tour_has_five_curl_lines():
    assert [line.split()[0] for line in tour()] == ["curl"] * 5


def test_the_tour_passes_the_way_of_a_key():
    asked = ("/healthz", "/proxy/echo/", "/api/v1/me", "/api/v1/admin/users", "/api/v1/admin/keys/")

    assert [word for word, line in zip(asked, tour(), strict=True) if word not in line] == []


def test_the_tour_is_shell_that_needs_only_its_four_variables():
    script = "\n".join(["set -eu", "curl() { :; }", *tour()])
    environment = {"PATH": os.environ["PATH"], **dict.fromkeys(VARIABLES, "x")}

    done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (0, b"")
