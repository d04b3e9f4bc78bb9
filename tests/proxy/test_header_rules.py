"""Which header rules may be saved: none on what the gateway lives by, none that breaks a line."""

import json

import pytest

from events.models import Event
from proxy.models import Upstream
from tests.apikeys.calls import pointers
from tests.proxy.calls import NEW, UPSTREAMS

pytestmark = pytest.mark.django_db
LLM = f"{UPSTREAMS}/llm"
RULE = {"action": "set", "on": "request", "name": "X-Tag", "value": "a b"}
REMOVAL = {"action": "remove", "on": "response", "name": "Server"}
GUARDED = [
    "Host", "content-length", "Transfer-Encoding", "Expect", "Connection", "Keep-Alive", "TE",
    "Trailer", "Upgrade", "Proxy-Authorization", "Proxy-Connection", "Authorization", "X-API-Key",
    "api-key", "X-Momentry-User-Id", "x_momentry_key_id", "X-Forwarded-For", "X-Forwarded-Anything",
    "Forwarded", "X-Real-IP", "x_real_ip", "X-Original-URL", "CF-Connecting-IP", "X-Request-ID",
    "X-Upstream-Request-ID", "Content-Encoding", "Sec-WebSocket-Key", "api_key", "X_API_KEY",
    "HTTP2-Settings", "True-Client-IP", "X-Up-Key", "x_up_key",
]  # fmt: skip
FAULTS = [
    {"action": "replace"}, {"action": None}, {"on": "both"}, {"on": []}, {"name": ""},
    {"name": "a b"}, {"name": "a:"}, {"name": "é"}, {"name": "a\r\nb"}, {"name": "x" * 65},
    {"name": []}, {"value": ""}, {"value": "é"}, {"value": "a\r\nb: c"}, {"value": "a\x00"},
    {"value": "x" * 1025}, {"value": None}, {"value": []}, {"secret": "x"}, {"": 1},
    {"name": "Set-Cookie"}, *({"name": name} for name in GUARDED),
]  # fmt: skip


@pytest.fixture
def llm(admin_api):
    """Whose credential is in a header of another name."""
    given = {"injection_name": "X-Up-Key", "injection_template": "{credential}"}
    return admin_api.post(UPSTREAMS, NEW | given).json()


def test_rules_are_kept_in_their_order_shown_and_told(admin_api, llm):
    rules = [RULE, REMOVAL, {**RULE, "action": "add"}, {**REMOVAL, "name": "Set-Cookie"}]

    answer = admin_api.patch(LLM, {"header_rules": rules})
    same = admin_api.patch(LLM, {"header_rules": rules})
    listed = admin_api.get(UPSTREAMS).json()["results"][0]
    default = admin_api.put(LLM, {"name": "x", "targets": []})

    assert llm["header_rules"] == []
    assert answer.json()["header_rules"] == listed["header_rules"] == rules
    assert same.json()["version"] == answer.json()["version"] == 2
    assert default.json()["header_rules"] == []
    told = json.loads(Event.objects.order_by("id")[1].details)
    assert (told["before"], told["after"]) == ({"header_rules": []}, {"header_rules": rules})


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
def test_a_faulty_rule_is_refused_and_changes_nothing(admin_api, llm, fault):
    wrong = {"header_rules": [REMOVAL, {**RULE, **fault}]}

    refused = [admin_api.patch(LLM, wrong), admin_api.post(UPSTREAMS, {**NEW, **wrong, "slug": "x",
               "injection_name": "X-Up-Key", "injection_template": "{credential}"})]  # fmt: skip

    assert all(pointers(answer)[0].startswith("#/header_rules") for answer in refused)
    assert Upstream.objects.get().header_rules == []


@pytest.mark.parametrize(
    "given",
    [
        [{**REMOVAL, "value": "x"}], [{"on": "request", "name": "X-A"}], [{}], [1], [None], {}, "x",
        [RULE] * 33, [[RULE]], None,
    ],
    ids=lambda value: repr(value)[:40],
)  # fmt: skip
def test_what_is_no_list_of_rules_is_refused(admin_api, llm, given):
    assert pointers(admin_api.patch(LLM, {"header_rules": given}))[0].startswith("#/header_rules")
    assert admin_api.get(LLM).json() == llm


def test_the_credentials_header_cannot_become_one_that_has_a_rule(admin_api, llm):
    admin_api.patch(LLM, {"header_rules": [RULE]})

    refused = admin_api.patch(LLM, {"injection_name": "x-tag"})

    assert pointers(refused) == ["#/header_rules"]
    assert admin_api.patch(LLM, {"header_rules": [RULE] * 32}).status_code == 200
