"""integrations/sftpgo: what SFTPGo is told keeps its rules, and leads to our routes only."""

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.urls import resolve

from apikeys.gate.scopes import CATALOGUE

HERE = Path(__file__).parents[2] / "integrations/sftpgo"
FILES = ("sftpgo.json", "file-actions.json", "event-rule.json")
HOSTILE = 'a".mp4", "username": "bob'
# sdk plugin/notifier FsEvent, as far as the event manager knows it.
EVENT = {
    "action", "username", "path", "target_path", "virtual_path", "virtual_target_path",
    "file_size", "status", "protocol", "ip", "timestamp",
}  # fmt: skip


def read(name):
    return json.loads((HERE / name).read_text(encoding="utf-8"))


def addresses(value):
    return re.findall(r"https://[^\s\"]+", json.dumps(value))


def test_the_hook_for_passwords_is_a_route_and_for_passwords_only():
    provider = read("sftpgo.json")["data_provider"]

    route = resolve(urlsplit(provider["external_auth_hook"]).path)
    assert route.func.cls.scopes == {"POST": "hooks:sftpgo"}
    assert provider["external_auth_scope"] == 1
    assert "hooks:sftpgo" in CATALOGUE


def test_the_key_goes_to_the_hooks_and_nowhere_else():
    (header,) = read("sftpgo.json")["http"]["headers"]

    assert header["key"] == "X-API-Key"
    asked = {address for name in FILES for address in addresses(read(name))}
    assert len(asked) == 2
    assert all(address.startswith(header["url"]) for address in asked)
    assert urlsplit(header["url"]).path == "/api/v1/hooks/sftpgo"


def test_a_whole_answer_comes_within_sftpgos_time():
    assert read("sftpgo.json")["http"]["timeout"] >= 20


def test_an_upload_is_never_lost_to_a_failing_hook():
    """SFTPGo deletes a file whose synchronous upload hook fails."""
    actions = read("file-actions.json")["common"]["actions"]
    (rule,) = read("event-rule.json")["event_rules"]

    assert actions["execute_sync"] == ["pre-upload"]
    assert {"pre-upload", "upload", "delete", "rename"} == set(actions["execute_on"])
    assert rule["conditions"]["fs_events"] == ["upload", "delete", "rename"]
    assert [action["relation_options"]["execute_sync"] for action in rule["actions"]] == [False]


@pytest.mark.parametrize("name", ["plain.mp4", HOSTILE, "back\\slash\n"])
def test_the_rule_says_what_the_hook_would_say(name):
    """Names are escaped as SFTPGo escapes them for this content type."""
    rules = read("event-rule.json")
    (action,) = rules["event_actions"]
    config = action["options"]["http_config"]
    assert {"key": "Content-Type", "value": "application/json"} in config["headers"]
    assert [each["name"] for each in rules["event_rules"][0]["actions"]] == [action["name"]]
    numbers = {"FileSize": "7", "Status": "1", "Timestamp": "1795232115000000000"}

    def fill(match):
        return numbers.get(match[1], json.dumps(name)[1:-1])

    told = json.loads(re.sub(r"\{\{\.(\w+)\}\}", fill, config["body"]))

    assert set(told) == EVENT
    assert (told["virtual_path"], told["username"], told["file_size"]) == (name, name, 7)


@pytest.mark.parametrize("name", FILES)
def test_no_file_holds_a_key(name):
    assert re.findall(r"m(?:svc|adm|user)_[0-9a-f]{8}", (HERE / name).read_text("utf-8")) == []
