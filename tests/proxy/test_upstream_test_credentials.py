"""Testing an upstream whose targets have several credentials: each is tried and named."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse

from events.models import Event
from proxy.models import Target, TargetCredential, Upstream
from tests import make
from tests.admin.conftest import logged_in, staff
from tests.apikeys.files import Ran
from tests.gateway.wire import Server, Wire, tcp_server
from tests.proxy.calls import MASKED, OTHER, SECRET
from tests.proxy.probes import made, probed
from tests.proxy.test_upstream_command import upstream as command

pytestmark = pytest.mark.django_db
SHORT = "short-key"
OK, REFUSED = (
    b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % line for line in (b"200 OK", b"401 No")
)


@pytest.fixture
def server() -> Iterator[Server]:
    """It takes the first credential alone."""
    made = tcp_server()

    def judges(wire: Wire, head: bytes) -> None:
        wire.send(OK if SECRET.encode() in head else REFUSED)

    made.on("/judges", judges)
    yield made
    made.stop()


@pytest.fixture
def target(server: Server) -> Target:
    row = made(f"http://127.0.0.1:{server.port}/judges").targets.get()
    make.keep_credential(row, OTHER, label="<b>old</b>")
    make.keep_credential(row, SHORT, label="off", is_active=False)
    return row


def told(answer: dict[str, Any]) -> dict[str, tuple[str, int | None]]:
    """By the mask of what was sent."""
    return {
        each["credential"]["api_key_masked"]: (each["outcome"], each["status"])
        for each in answer["targets"]
    }


def test_each_active_one_is_tried_and_the_refused_one_is_named(admin_api, target, server):
    found = probed(admin_api)

    assert told(found) == {MASKED: ("ok", 200), "sk-***6qLt": ("auth", 401)}
    assert OTHER not in json.dumps(found)
    ids = {str(row.pk): row.label for row in target.credentials.filter(is_active=True)}
    assert {
        each["credential"]["id"]: each["credential"]["label"] for each in found["targets"]
    } == ids
    assert len(server.heads) == 2
    event = json.loads(Event.objects.get(kind="upstream:tested").details)
    assert sorted(event["credentials"]) == sorted(ids)
    assert not [text for text in (SECRET, OTHER, SHORT) if text in json.dumps(event)]


def test_one_that_does_not_open_is_named_and_the_other_is_tried(admin_api, target, server):
    broken = target.credentials.get(label="<b>old</b>")
    with connection.cursor() as cursor:
        statement = "UPDATE proxy_targetcredential SET secret = 'm1.a.b' WHERE id = %s"
        cursor.execute(statement, [broken.pk])

    found = probed(admin_api)

    assert told(found) == {MASKED: ("ok", 200), "****": ("auth", None)}
    assert {each["credential"]["label"] for each in found["targets"]} == {"", "<b>old</b>"}
    assert len(server.heads) == 1


def test_one_that_no_header_may_hold_is_named_and_none_is_sent(admin_api, target, server):
    TargetCredential.objects.filter(is_active=True).delete()
    long_secret = "sk-\u20ac-" + "x" * 20 + "1234"
    make.keep_credential(target, long_secret + "\n", label="odd")

    (found,) = probed(admin_api)["targets"]

    assert (found["outcome"], found["credential"]["label"]) == ("auth", "odd")
    assert server.heads == []


def test_a_target_whose_credentials_are_all_off_is_told(admin_api, target, server):
    TargetCredential.objects.update(is_active=False)

    (found,) = probed(admin_api)["targets"]

    assert (found["outcome"], found["status"], found["credential"]) == ("auth", None, None)
    assert "switched off" in found["detail"]
    assert server.heads == []


def test_staff_and_the_command_line_are_told_too(target):
    root = logged_in(staff("root", is_superuser=True))
    page = reverse("admin:proxy_upstream_test_this", args=[Upstream.objects.get().pk])

    shown = root.post(page, {"confirmed": "yes"}, follow=True).content.decode()
    ran: Ran = command("test", "llm")

    assert "ms with &lt;b&gt;old&lt;/b&gt; sk-***6qLt. It refuses the credential: 401." in shown
    lines = {line.split("  ")[1]: line.split("  ")[2] for line in ran.out.splitlines()}
    assert lines == {"ok": MASKED, "auth": "<b>old</b> sk-***6qLt"}
    assert not [text for text in (SECRET, OTHER, SHORT) if text in shown + ran.out + ran.err]


def test_it_obeys_the_header_rules(admin_api, server):
    rules = [
        {"action": "set", "on": "request", "name": "anthropic-version", "value": "2023-06-01"},
        {"action": "remove", "on": "request", "name": "User-Agent"},
        {"action": "set", "on": "request", "name": "Accept", "value": "application/json"},
        {"action": "set", "on": "response", "name": "X-Down", "value": "no"},
    ]
    made(f"http://127.0.0.1:{server.port}", header_rules=rules)

    probed(admin_api)

    (head,) = server.heads
    lines = head.split(b"\r\n")
    assert b"anthropic-version: 2023-06-01" in lines
    assert [line for line in lines if line.lower().startswith(b"accept")] == [
        b"Accept: application/json"
    ]
    assert not [line for line in lines if line.lower().startswith((b"user-agent", b"x-down"))]
