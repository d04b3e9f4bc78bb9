"""integrations/sftpgo/momentry-hook, run as SFTPGo runs a command: with its variables alone."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.provisioning.standin import StandIn, Told
from tests.videos import sftpgo
from videos.sftpgo import read

SCRIPT = Path(__file__).parents[2] / "integrations/sftpgo/momentry-hook"
KEY = "msvc_of-the-hook"
# internal/common/actions.go notificationAsEnvVars, in its order.
NAMES = {
    "action": "", "username": "_USERNAME", "path": "_PATH", "target_path": "_TARGET",
    "virtual_path": "_VIRTUAL_PATH", "virtual_target_path": "_VIRTUAL_TARGET",
    "ssh_cmd": "_SSH_CMD", "file_size": "_FILE_SIZE", "elapsed": "_ELAPSED",
    "fs_provider": "_FS_PROVIDER",
    "bucket": "_BUCKET", "endpoint": "_ENDPOINT", "status": "_STATUS", "protocol": "_PROTOCOL",
    "ip": "_IP", "session_id": "_SESSION_ID", "open_flags": "_OPEN_FLAGS",
    "timestamp": "_TIMESTAMP", "role": "_ROLE",
}  # fmt: skip
NUMBERS = {"file_size", "elapsed", "fs_provider", "status", "open_flags", "timestamp"}


class Momentry(StandIn):
    def __init__(self, *statuses: int) -> None:
        super().__init__()
        self.statuses = list(statuses)

    def answer(self, heard: Any) -> Told:
        status = self.statuses.pop(0)
        return Told(status, {}, {"Location": f"{self.base_url}/other"} if status == 302 else {})


def variables(event):
    """Go prints what is empty or zero too."""
    return {
        f"SFTPGO_ACTION{ending}": str(event.get(name, 0 if name in NUMBERS else ""))
        for name, ending in NAMES.items()
    }


def run(event, url, **given):
    environment = {**variables(event), "MOMENTRY_URL": url, "MOMENTRY_API_KEY": KEY, **given}
    environment = {name: value for name, value in environment.items() if value is not None}
    command = [sys.executable, str(SCRIPT)]
    return subprocess.run(
        command, check=False, env=environment, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    "event",
    [
        sftpgo.event("upload", '/a"\\ü 王.mp4', file_size=7),
        sftpgo.event("upload", "/empty", file_size=0),
        sftpgo.renamed("/a", "/b"),
        sftpgo.event("delete", "/a", status=2),
    ],
    ids=["upload", "empty", "rename", "failed"],
)
def test_it_says_what_the_http_hook_would_say(event):
    with Momentry(200) as peer:
        done = run(event, peer.base_url + "/")
        (heard,) = peer.heard

    assert (done.returncode, done.stderr) == (0, "")
    said = {name: value for name, value in event.items() if value}
    assert heard.json() == said
    assert (heard.method, heard.path) == ("POST", sftpgo.HOOK)
    assert heard.headers["x-api-key"] == KEY
    assert heard.headers["content-type"] == "application/json"


def test_what_is_said_can_be_read():
    event = sftpgo.renamed("/a", "/b")
    with Momentry(200) as peer:
        run(event, peer.base_url)
        told = read(peer.heard[0].body)

    assert (told.action, told.path, told.target) == ("rename", "/a", "/b")
    assert (told.ns, told.location) == (event["timestamp"], "/data/alice/a")


def test_a_name_that_is_no_text_is_said_as_sftpgo_says_it():
    with Momentry(200) as peer:
        run(sftpgo.event("upload", "/a\udcff"), peer.base_url)

    assert peer.heard[0].json()["virtual_path"] == "/a\ufffd"


def test_a_repeat_has_the_same_bytes():
    with Momentry(503, 200) as peer:
        done = run(sftpgo.event("upload", "/a"), peer.base_url)

    assert done.returncode == 0
    first, second = peer.heard
    assert first.body == second.body


@pytest.mark.parametrize("status", [201, 302, 403, 422])
def test_anything_but_200_is_a_refusal_and_said_once(status):
    with Momentry(status) as peer:
        done = run(sftpgo.event("pre-upload", "/a"), peer.base_url)

    assert done.returncode == 1
    assert done.stderr == f"momentry-hook: momentry answered {status}\n"
    assert len(peer.heard) == 1


def test_the_key_may_be_in_a_file(tmp_path):
    (tmp_path / "key").write_text(f"{KEY}\n")
    with Momentry(200) as peer:
        given = {"MOMENTRY_API_KEY": None, "MOMENTRY_API_KEY_FILE": str(tmp_path / "key")}
        run(sftpgo.event("upload", "/a"), peer.base_url, **given)

    assert peer.heard[0].headers["x-api-key"] == KEY


@pytest.mark.parametrize(
    "given",
    [{"MOMENTRY_URL": None}, {"MOMENTRY_URL": "file:///etc"}, {"MOMENTRY_API_KEY": None},
     {"SFTPGO_ACTION_FILE_SIZE": "x"}],
)  # fmt: skip
def test_half_a_configuration_says_what_is_missing_and_no_key(given):
    done = run(sftpgo.event("upload", "/a"), "http://127.0.0.1:9", **given)

    assert done.returncode == 1
    assert done.stderr.startswith("momentry-hook: ")
    assert KEY not in done.stderr


def test_an_executable_that_sftpgo_can_start():
    assert SCRIPT.stat().st_mode & 0o111 == 0o111
    assert json.loads((SCRIPT.parent / "file-actions.json").read_text())
