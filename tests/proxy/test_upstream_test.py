"""Testing an upstream: what the gateway would send, and the step that failed, of any misbehaviour;
never the credential, never a byte of the answer, never a redirect followed."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse

from events.models import Event
from proxy import probe
from proxy.models import Target, TargetCredential
from tests import make
from tests.admin.conftest import clerk, logged_in, staff
from tests.apikeys.calls import client, pointers
from tests.gateway.misbehaving import hang, says
from tests.gateway.wire import Server, tcp_server
from tests.proxy.calls import SECRET, UPSTREAMS
from tests.proxy.probes import made, one, probed

pytestmark = pytest.mark.django_db


@pytest.fixture
def server() -> Iterator[Server]:
    made = tcp_server()
    yield made
    made.stop()


def test_it_sends_what_the_gateway_would_send(admin_api, server):
    made(f"http://127.0.0.1:{server.port}/v1/")

    assert one(admin_api) == ("ok", 200)

    (head,) = server.heads
    assert head.startswith(b"GET /v1 HTTP/1.1\r\n")
    assert f"\r\nHost: 127.0.0.1:{server.port}\r\n".encode() in head
    assert head.count(f"\r\nAuthorization: Bearer {SECRET}\r\n".encode()) == 1


PATHS: list[tuple[dict[str, Any], str, dict[str, Any], bytes]] = [
    ({}, "", {}, b"/"),
    ({"usage_format": "openai"}, "/v1", {}, b"/v1/models"),
    ({"usage_format": "anthropic"}, "/v1", {}, b"/v1"),
    ({"usage_format": "openai"}, "/v1", {"path": "/health"}, b"/v1/health"),
    ({}, "/base", {"path": "/a%20b/c"}, b"/base/a%20b/c"),
    ({"injection": "query", "injection_name": "k"}, "/b", {}, b"/b?k=" + SECRET.encode()),
]


@pytest.mark.parametrize(("given", "base", "body", "asked"), PATHS)
def test_the_path_is_the_usual_one_or_as_given(admin_api, server, given, base, body, asked):
    made(f"http://127.0.0.1:{server.port}{base}", **given)

    assert one(admin_api, **body) == ("ok", 200)
    assert server.heads[0].split(b" ")[1] == asked


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (204, "ok"), (301, "ok"), (401, "auth"), (403, "auth"), (404, "path"), (400, "status"),
        (405, "status"), (429, "status"), (500, "status"), (503, "status"),
    ],
)  # fmt: skip
def test_a_status_says_what_fails(admin_api, server, answer, outcome):
    elsewhere = f"Location: http://127.0.0.1:{server.port}/elsewhere\r\nX-Secret: {SECRET}\r\n"
    raw = f"HTTP/1.1 {answer} {SECRET}\r\n{elsewhere}Content-Length: 0\r\n\r\n".encode()
    server.on("/said", says(raw))
    made(f"http://127.0.0.1:{server.port}/said")

    assert one(admin_api) == (outcome, answer)
    assert len(server.heads) == 1


def test_each_active_target_is_asked_at_the_same_time(admin_api, server, monkeypatch):
    monkeypatch.setattr(probe, "SECONDS", 2.0)
    server.on("/slow", says(b"", hang))
    row = made(f"http://127.0.0.1:{server.port}/slow", is_active=False)
    for number in range(4):
        Target.objects.create(upstream=row, base_url=f"http://127.0.0.{number + 2}:9")
    Target.objects.create(upstream=row, base_url=f"http://127.0.0.1:{server.port}/fast")
    Target.objects.create(
        upstream=row, base_url=f"http://127.0.0.1:{server.port}/off", is_active=False
    )
    began = time.monotonic()

    found = {each["base_url"]: each["outcome"] for each in probed(admin_api)["targets"]}

    assert time.monotonic() - began < 4
    assert sorted(found.values()) == ["connect"] * 4 + ["ok", "timeout"]
    assert server.heads_of("/off") == []


def test_a_credential_that_does_not_open_is_told_and_not_sent(admin_api, server):
    row = made(f"http://127.0.0.1:{server.port}")
    row.targets.update(base_url=f"http://127.0.0.1:{server.port}/moved")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE proxy_targetcredential SET secret = 'm1.a.b'")

    assert one(admin_api) == ("auth", None)
    assert server.accepted == 0


def test_an_upstream_without_targets_is_not_well(admin_api):
    made("http://127.0.0.1:9")
    Target.objects.all().delete()

    answer = admin_api.post(f"{UPSTREAMS}/llm/test", {}).json()

    assert (answer["ok"], answer["targets"]) == (False, [])


@pytest.mark.parametrize(
    "path",
    ["x", "/a b", "/a?b", "/a#b", "/../a", "/%2e%2e/a", "//a", "/a\r\nX: y", "/é", "/" + "x" * 500,
     "/%zz", "/a\\b", "http://evil.test/"],
)  # fmt: skip
def test_an_odd_path_is_refused(admin_api, server, path):
    made(f"http://127.0.0.1:{server.port}")

    assert pointers(admin_api.post(f"{UPSTREAMS}/llm/test", {"path": path})) == ["#/path"]
    assert server.accepted == 0


def test_other_fields_and_other_upstreams_are_refused(admin_api):
    made("http://127.0.0.1:9")

    assert pointers(admin_api.post(f"{UPSTREAMS}/llm/test", {"url": "http://x"})) == ["#/url"]
    assert admin_api.post(f"{UPSTREAMS}/none/test", {}).status_code == 404
    assert admin_api.get(f"{UPSTREAMS}/llm/test").status_code == 405


def test_it_takes_the_right_to_write(db, server):
    made(f"http://127.0.0.1:{server.port}")
    caller = client(make.service_key("issuer").secret)

    assert caller.post(f"{UPSTREAMS}/llm/test", {}).json()["code"] == "insufficient_scope"
    assert server.accepted == 0


def test_it_is_an_event_without_the_credential(admin_api, server):
    base = f"http://127.0.0.1:{server.port}"
    made(base)
    probed(admin_api, path="/health")

    event = Event.objects.get(kind="upstream:tested")
    assert (event.actor, event.subject) == ("admin-token", "upstream:llm")
    (sent,) = TargetCredential.objects.all()
    assert json.loads(event.details) == {
        "path": "/health", "outcomes": [[base, "ok"]], "credentials": [str(sent.pk)],
    }  # fmt: skip


def test_staff_press_a_button(db, server):
    row = made(f"http://127.0.0.1:{server.port}")
    Target.objects.create(upstream=row, base_url="http://127.0.0.1:9")
    root = logged_in(staff("root", is_superuser=True))
    page = reverse("admin:proxy_upstream_test_this", args=[row.pk])
    assert page in root.get(reverse("admin:proxy_upstream_change", args=[row.pk])).content.decode()

    assert b"One GET is sent" in root.get(page).content
    assert server.accepted == 0
    shown = root.post(page, {"confirmed": "yes"}, follow=True).content.decode()

    assert f"http://127.0.0.1:{server.port}: ok after" in shown
    assert "http://127.0.0.1:9: connect after" in shown
    assert SECRET not in shown
    assert Event.objects.get(kind="upstream:tested").actor.startswith("staff:")


def test_who_may_only_look_presses_nothing(db, server):
    row = made(f"http://127.0.0.1:{server.port}")
    viewer = clerk("view_upstream", "view_target")
    page = reverse("admin:proxy_upstream_test_this", args=[row.pk])

    shown = viewer.get(reverse("admin:proxy_upstream_change", args=[row.pk])).content.decode()
    assert page not in shown
    assert viewer.post(page, {"confirmed": "yes"}).status_code == 403
    assert server.accepted == 0
