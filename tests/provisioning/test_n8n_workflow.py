"""integrations/n8n/wordpress-registration.json: imported as it is, whole, without secrets; its code
run by real Node.js, its calls made to the real API."""

import json
import re
import time
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook

from provisioning.models import ClaimLink
from tests import make
from tests.apikeys.calls import client
from tests.provisioning.n8n import IMPORTED, N8n
from tests.provisioning.standin import Heard
from tests.provisioning.workflow import (
    EXPRESSION,
    FILE,
    arrived,
    nodes,
    run,
    texts,
    value_of,
    workflow,
)

# spec/schemas/node.yml and workflowSettings.yml of n8n's public API, both without others.
NODE_FIELDS = {
    "id", "name", "webhookId", "disabled", "notesInFlow", "notes", "type", "typeVersion",
    "executeOnce", "alwaysOutputData", "retryOnFail", "maxTries", "waitBetweenTries", "onError",
    "position", "parameters", "credentials",
}  # fmt: skip
SETTINGS = {
    "saveExecutionProgress", "saveManualExecutions", "saveDataErrorExecution",
    "saveDataSuccessExecution", "executionTimeout", "errorWorkflow", "timezone", "executionOrder",
}  # fmt: skip
VERSIONS = {
    "webhook": 2, "code": 2, "httpRequest": 4.2, "if": 2.2, "set": 3.4, "wait": 1.1,
    "stopAndError": 1, "emailSend": 2.1,
}  # fmt: skip
NAMED = re.compile(r"\$\('([^']+)'\)")
SECRET = make.webhook_secret(3)
USER = {"id": 45, "username": "vi 王", "email": "vi@example.org"}
EVENT = json.dumps(
    {"type": "user.registered", "sequence": 7, "data": {"user": USER}}, ensure_ascii=False
).encode()
AT = 1_800_000_000  # a clock that stands, where seconds matter
INVALID = {"error": "The signature is not valid."}


def test_n8n_takes_it_as_it_is():
    with N8n() as peer:
        headers = {"x-n8n-api-key": peer.mint()}
        given = Heard("POST", "/api/v1/workflows", {}, headers, json.dumps(workflow()).encode())

        made = peer.answer(given)
        path = f"/api/v1/workflows/{made.body['id']}/activate"
        active = peer.answer(Heard("POST", path, {}, headers, b""))

    assert (made.status, active.status, active.body["active"]) == (200, 200, True)


def test_it_has_no_field_that_n8n_does_not_know():
    found = workflow()

    assert set(found) == IMPORTED
    assert set(found["settings"]) <= SETTINGS
    assert len(nodes()) == len(found["nodes"]) == len({node["id"] for node in found["nodes"]})
    for node in found["nodes"]:
        assert set(node) <= NODE_FIELDS
        assert node["typeVersion"] == VERSIONS[node["type"].removeprefix("n8n-nodes-base.")]


def test_no_run_is_kept_for_it_would_keep_claim_links():
    settings = workflow()["settings"]

    assert settings["saveDataSuccessExecution"] == settings["saveDataErrorExecution"] == "none"
    assert not settings["saveManualExecutions"]
    assert not settings["saveExecutionProgress"]


def test_the_webhook_gives_the_raw_bytes_and_answers_by_the_last_node():
    parameters = nodes()["WordPress"]["parameters"]

    assert parameters["options"] == {"rawBody": True}
    assert (parameters["httpMethod"], parameters["responseMode"]) == ("POST", "lastNode")
    assert parameters["path"] == "api/v1/webhooks/wordpress"  # the plugin's, below its base URL


def test_every_node_is_reached_and_every_way_ends_in_words_or_in_an_error():
    edges = {
        name: [[edge["node"] for edge in way] for way in found["main"]]
        for name, found in workflow()["connections"].items()
    }
    reached, waiting = set(), ["WordPress"]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += [to for way in edges.get(name, []) for to in way]

    assert reached == set(nodes())
    assert all(
        len(edges[name]) == 2 for name, node in nodes().items() if node["type"].endswith(".if")
    )
    ends = {name for name in nodes() if name not in edges}
    assert ends == {"Done", "Ignored", "No link", "Not provisioned"}
    told = [nodes()[name]["parameters"].get("jsonOutput", "{}") for name in ("Done", "Ignored")]
    assert [json.loads(text) for text in told] == [{"status": "applied"}, {"status": "ignored"}]


def test_expressions_name_nodes_that_come_before():
    names = [name for text in texts(workflow()["nodes"]) for name in NAMED.findall(text)]

    assert set(names) <= {"Check signature", "Same user", "Make member"} < set(nodes())


def test_expressions_are_javascript():
    found = [part for text in texts(workflow()["nodes"]) for part in EXPRESSION.findall(text)]

    assert len(found) > 10
    for part in found:
        assert run(f"new Function('return ' + {json.dumps(part)}); return 1") == 1, part


def test_it_holds_no_secret():
    found = [text for text in texts(workflow()) if "{{" not in text]

    assert not [
        text for text in found if re.search(r"whsec_\w|m(user|svc|adm|trial)_|eyJ|Bearer", text)
    ]
    for node in nodes().values():
        if node["type"].endswith((".httpRequest", ".emailSend")):
            (credential,) = node["credentials"].values()
            assert set(credential) == {"id", "name"}
            assert not {"authorization", "x-api-key"} & {
                each["name"].lower()
                for each in node["parameters"].get("headerParameters", {}).get("parameters", [])
            }


def test_no_credential_follows_a_redirect():
    for node in nodes().values():
        if node["type"].endswith(".httpRequest"):
            assert node["parameters"]["options"]["redirect"]["redirect"]["followRedirects"] is False


def signed(body=EVENT, *, secret=SECRET, event="evt-1", at=None):
    now = int(time.time()) if at is None else at
    signature = Webhook(secret).sign(event, datetime.fromtimestamp(now, UTC), body.decode())
    return {"webhook-id": event, "webhook-timestamp": str(now), "webhook-signature": signature}


def check(body, headers, *, secret=SECRET, **given):
    code = nodes()["Check signature"]["parameters"]["jsCode"]
    env = {"WORDPRESS_WEBHOOK_SECRET": secret}
    return run(code, input=arrived(body, headers), env=env, **given)


def test_what_wordpress_signed_goes_on():
    told = {"event_id": "evt-1", "type": "user.registered", "user": USER}

    assert check(EVENT, signed()) == [{"json": told}]


def test_while_the_secret_is_rotated_either_will_do():
    other = make.webhook_secret(4)
    both = signed()
    both["webhook-signature"] = f"v1a,x {signed(secret=other)['webhook-signature']} v1,AAAA"

    assert "error" not in check(EVENT, both, secret=f"{SECRET} {other}")
    assert check(EVENT, both) == INVALID


def forged():
    good = signed(at=AT)
    yield "body", EVENT.replace(b"45", b"46"), good
    yield "reserialised", json.dumps(json.loads(EVENT)).encode(), good
    yield "id", EVENT, good | {"webhook-id": "evt-2"}
    yield "no id", EVENT, good | {"webhook-id": ""}
    yield "other secret", EVENT, signed(secret=make.webhook_secret(4), at=AT)
    yield "unsigned", EVENT, good | {"webhook-signature": ""}
    yield "short", EVENT, good | {"webhook-signature": "v1,AAAA"}
    yield (
        "other version",
        EVENT,
        good | {"webhook-signature": good["webhook-signature"].replace("v1", "v2")},
    )
    yield "no timestamp", EVENT, good | {"webhook-timestamp": ""}
    yield "no number", EVENT, good | {"webhook-timestamp": "NaN"}
    yield "no headers", EVENT, {}
    yield "early", EVENT, signed(at=AT - 330)
    yield "late", EVENT, signed(at=AT + 330)


@pytest.mark.parametrize(
    ("body", "headers"), [pytest.param(*rest, id=name) for name, *rest in forged()]
)
def test_what_is_forged_or_stale_is_refused(body, headers):
    assert check(body, headers, now=AT) == INVALID
    assert "error" not in check(EVENT, signed(at=AT), now=AT)


def test_five_minutes_are_tolerated_and_no_more():
    assert "error" not in check(EVENT, signed(at=AT), now=AT + 300)
    assert check(EVENT, signed(at=AT), now=AT + 301) == INVALID
    assert check(EVENT, signed(at=AT), now=AT - 301) == INVALID


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ="])
def test_without_a_secret_nothing_goes_on(secret):
    assert check(EVENT, signed(), secret=secret) == {
        "error": "WORDPRESS_WEBHOOK_SECRET is not set."
    }


def same(there):
    code = nodes()["Same user"]["parameters"]["jsCode"]
    return run(code, input={"json": there}, nodes={"Check signature": {"json": {"user": USER}}})


def test_wordpress_has_the_last_word_on_the_user():
    there = USER | {"email": "new@example.org", "name": "Vi"}

    told = {"username": "vi 王", "email": "new@example.org", "display_name": "Vi", "locale": ""}
    assert same(there) == [{"json": told}]
    for other in ({"id": 46}, {"username": "root"}, {"id": "45"}, {"code": "rest_no_route"}):
        assert "error" in same(there | other if "code" not in other else other)


@pytest.mark.django_db
def test_the_member_is_made_once_and_the_link_is_in_the_mail():
    """Its own call to the real API, with a service's key of the role its README asks for."""
    api, make_member = (
        client(make.service_key("issuer").secret),
        nodes()["Make member"]["parameters"],
    )
    checked = check(EVENT, signed())[0]
    profile = same(USER | {"name": "Vi"})[0]
    given = {"input": profile, "nodes": {"Check signature": checked}, "env": {"MOMENTRY_URL": ""}}
    url, body = (value_of(make_member[name], **given) for name in ("url", "jsonBody"))
    (header,) = make_member["headerParameters"]["parameters"]
    key = {f"HTTP_{header['name'].upper().replace('-', '_')}": value_of(header["value"], **given)}

    made = api.post(url, json.loads(body), **key)
    again = api.post(url, json.loads(body), **key)

    assert (made.status_code, again.json()["claim_url"]) == (201, None)
    link = nodes()["Link there?"]["parameters"]["conditions"]["conditions"][0]["leftValue"]
    assert [value_of(link, input={"json": row.json()}) for row in (made, again)] == [True, False]
    text = value_of(
        nodes()["Mail"]["parameters"]["text"],
        nodes={"Same user": profile, "Make member": {"json": made.json()}},
    )
    assert made.json()["claim_url"] in text
    assert ClaimLink.objects.count() == 1
    poll = value_of(
        nodes()["Read member"]["parameters"]["url"],
        nodes={"Make member": {"json": made.json()}}, env={"MOMENTRY_URL": ""},
    )  # fmt: skip
    member = api.get(poll).json()
    done = nodes()["Provisioned?"]["parameters"]["conditions"]["conditions"][0]["leftValue"]
    for env, row, told in (
        ({}, member, True),
        ({"MOMENTRY_WITH_SFTPGO": "true"}, member | {"sftpgo_username": None}, False),
        ({"MOMENTRY_WITH_SFTPGO": "true"}, member | {"sftpgo_username": "vi"}, True),
        ({}, member | {"status": "pending"}, False),
    ):  # fmt: skip
        assert value_of(done, input={"json": row}, env=env) is told


def test_a_hostile_id_changes_no_path():
    url = nodes()["Ask WordPress"]["parameters"]["url"]
    given = {"env": {"WORDPRESS_URL": "https://wp.test"}}

    for hostile, shown in (("../1?x=", "NaN"), (45, "45"), ({"a": 1}, "NaN")):
        told = value_of(url, input={"json": {"user": {"id": hostile}}}, **given)
        assert told.startswith(f"https://wp.test/wp-json/wp/v2/users/{shown}?context=edit&")


def test_the_page_says_what_it_needs():
    page = (FILE.parent / "README.md").read_text(encoding="utf-8")
    needed = {
        name for text in texts(workflow()) for name in re.findall(r"\$env\.([A-Z_0-9]+)", text)
    }

    assert [name for name in sorted(needed) if f"`{name}`" not in page] == []
    named = {c["name"] for n in nodes().values() for c in n.get("credentials", {}).values()}
    assert [name for name in sorted(named) if name not in page] == []
