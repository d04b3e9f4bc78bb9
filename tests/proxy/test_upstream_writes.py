"""What a write of an upstream may say: no unknown field (ACL-03), no odd type (ACL-07), nothing
that the gateway could not use, and no address that it would not dial (SSR-01, SSR-03)."""

import json
from ipaddress import ip_network
from typing import Any

import pytest

from apikeys.models import ApiKey
from events.models import Event
from momentry.common.egress.allowed import Allowed
from proxy.models import Target, TargetCredential, Upstream
from tests import make
from tests.apikeys.calls import client, pointers
from tests.proxy.calls import NEW, SECRET, UPSTREAMS, A

pytestmark = pytest.mark.django_db
LLM = f"{UPSTREAMS}/llm"
REFUSED = [
    "169.254.169.254", "0xa9fea9fe", "2852039166", "0251.0376.0251.0376", "169.254.43518",
    "0.0.0.0", "127.1", "0", "[fe80::1]", "[fe80::1%25lo]", "[::]", "[::ffff:169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::]", "[fd00:ec2::254]", "224.0.0.1",
    "169。254。169。254", "169.254.169.254.", "%31%36%39.254.169.254",
]  # fmt: skip
ODD: list[Any] = [None, True, 1.5, 10**30, "x" * 5000, "a\x01b", "", [[]], {"a": 1}, [None]]


@pytest.fixture
def llm(admin_api):
    return admin_api.post(UPSTREAMS, NEW).json()


def state():
    return (
        list(Upstream.objects.order_by("pk").values()),
        list(Target.objects.order_by("pk").values()),
        list(TargetCredential.objects.order_by("pk").values()),
        Event.objects.count(),
    )


def target(**given):
    return {"targets": [{"base_url": A, **given}]}


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"id": 1}, "#/id"), ({"version": 9}, "#/version"), ({"created_at": None}, "#/created_at"),
        ({"updated_at": None}, "#/updated_at"), ({"credential": SECRET}, "#/credential"),
        ({"api_key": SECRET}, "#/api_key"), ({"grants": []}, "#/grants"), ({"": 1}, "#/"),
        ({"targets__credential": "x"}, "#/targets__credential"), ({"a/b": 1}, "#/a~1b"),
        (target(id=1), "#/targets/0/id"), (target(credential="x"), "#/targets/0/credential"),
        (target(upstream="echo"), "#/targets/0/upstream"),
        (target(upstream_id=1), "#/targets/0/upstream_id"),
        (target(api_key_masked="sk-***9gAe"), "#/targets/0/api_key_masked"),
        (target(keeps_key=True), "#/targets/0/keeps_key"),
        (target(created_at=None), "#/targets/0/created_at"),
    ],
    ids=str,
)  # fmt: skip
def test_nobody_assigns_what_is_not_theirs_to_say(admin_api, llm, given, pointer):
    before = state()

    assert pointers(admin_api.post(UPSTREAMS, NEW | {"slug": "x"} | given)) == [pointer]
    assert pointers(admin_api.patch(LLM, given)) == [pointer]
    assert pointers(admin_api.put(LLM, {"name": "x", "targets": []} | given)) == [pointer]
    assert state() == before


FAULTS = [
    ({"name": ""}, "#/name"), ({"name": "x" * 101}, "#/name"), ({"name": "\ud800"}, "#/name"),
    ({"injection": "body"}, "#/injection"), ({"usage_format": "x"}, "#/usage_format"),
    ({"injection_name": "Host"}, "#/injection_name"),
    ({"injection_name": "X-Momentry-User-Id"}, "#/injection_name"),
    ({"injection_name": "Content-Length"}, "#/injection_name"),
    ({"injection_name": ""}, "#/injection_name"), ({"injection_name": "a b"}, "#/injection_name"),
    ({"injection_name": "a\r\nb"}, "#/injection_name"),
    ({"injection_template": "Bearer"}, "#/injection_template"),
    ({"injection_template": ""}, "#/injection_template"),
    ({"injection_template": "é {credential}"}, "#/injection_template"),
    ({"injection_template": "a\r\nb: {credential}"}, "#/injection_template"),
    ({"injection": "query", "injection_name": ""}, "#/injection_name"),
    ({"connect_timeout_ms": 0}, "#/connect_timeout_ms"),
    ({"idle_timeout_ms": 3_600_001}, "#/idle_timeout_ms"),
    ({"total_timeout_ms": 0}, "#/total_timeout_ms"), ({"max_body_bytes": -1}, "#/max_body_bytes"),
    ({"max_response_bytes": 10**15 + 1}, "#/max_response_bytes"),
    ({"request_weight": 1001}, "#/request_weight"), ({"request_weight": -1}, "#/request_weight"),
    ({"targets": None}, "#/targets"), ({"targets": {}}, "#/targets"),
    ({"targets": [1]}, "#/targets/0"), ({"targets": [{}]}, "#/targets/0/base_url"),
    ({"targets": [{"base_url": A}] * 2}, "#/targets"),
    ({"targets": [{"base_url": f"http://a{n}"} for n in range(51)]}, "#/targets"),
    (target(weight=0), "#/targets/0/weight"), (target(weight=32_768), "#/targets/0/weight"),
    (target(api_key=""), "#/targets/0/api_key"), (target(api_key="é"), "#/targets/0/api_key"),
    (target(api_key="a\nb"), "#/targets/0/api_key"), (target(api_key=[]), "#/targets/0/api_key"),
    (target(api_key="\ud800"), "#/targets/0/api_key"),
    (target(api_key="x" * 4097), "#/targets/0/api_key"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "pointer"), FAULTS, ids=lambda value: ascii(value)[:60])
def test_faults_have_pointers_and_change_nothing(admin_api, llm, given, pointer):
    before = state()
    as_json = {"content_type": "application/json"}
    made = admin_api.post(UPSTREAMS, json.dumps(NEW | {"slug": "x"} | given), **as_json)

    assert set(pointers(made)) == {pointer}
    assert set(pointers(admin_api.patch(LLM, json.dumps(given), **as_json))) == {pointer}
    assert state() == before


@pytest.mark.parametrize("slug", ["", "A", "a b", "-a", "é", "a_b", "a" * 61, "a/b", None, 1.5, []])
def test_a_slug_is_a_plain_name(admin_api, slug):
    assert pointers(admin_api.post(UPSTREAMS, NEW | {"slug": slug}))[0] == "#/slug"
    assert not Upstream.objects.exists()


@pytest.mark.parametrize("odd", ODD, ids=lambda value: repr(value)[:20])
def test_no_odd_type_is_a_fault_of_ours(admin_api, llm, odd):
    """In any field, in all of them, and instead of the whole."""
    names = sorted({*NEW, *llm})
    bodies: list[Any] = [{name: odd} for name in names]
    bodies += [target(**{name: odd}) for name in ("base_url", "weight", "is_active", "api_key")]
    everything = dict.fromkeys(names, odd)

    answers = [admin_api.patch(LLM, body) for body in [*bodies, everything, odd]]
    answers += [admin_api.put(LLM, body) for body in (everything, odd)]
    answers += [admin_api.post(UPSTREAMS, body) for body in (everything, odd)]

    assert {answer.status_code for answer in answers} <= {200, 400, 422}
    assert {answer.status_code for answer in answers[-2:]} <= {400, 422}


NO_BASES = [
    "ftp://a.test", "javascript:alert(1)", "a.test", "//a.test", "http://", "http:///x", "file:///x",
    "http://u:p@a.test", "http://u@a.test", "http://a.test/?k=v", "http://a.test/#x",
    "http://a.test:0", "http://a.test:99999", "http://a test", "http://a\\@b", "http://é.test",
    "http://a.test/\tx", "gopher://a.test", "http+unix://a", "HTTP://169.254.169.254",
    *(f"http://{host}/" for host in REFUSED),
]  # fmt: skip


def test_no_write_saves_a_base_url_that_is_no_http_or_leads_where_nothing_may(admin_api, llm):
    """In no spelling, and also beside a good one."""
    before = state()
    as_new, as_whole = NEW | {"slug": "x"}, {"name": "x"}

    wrong = {}
    for base_url in NO_BASES:
        given = {"targets": [{"base_url": A}, {"base_url": base_url}]}
        answers = [
            admin_api.post(UPSTREAMS, as_new | given), admin_api.patch(LLM, given),
            admin_api.put(LLM, as_whole | given),
        ]  # fmt: skip
        found = [pointers(answer) for answer in answers]
        if found != [["#/targets/1/base_url"]] * 3:
            wrong[base_url] = found

    assert wrong == {}
    assert state() == before


@pytest.mark.parametrize("scopes", [[], ["upstreams:read"], ["keys:*", "members:*", "proxy:use"]])
def test_a_key_without_the_scope_writes_nothing(admin_api, llm, scopes):
    issuer = make.service_key("issuer")
    ApiKey.objects.filter(pk=issuer.key.pk).update(scopes=scopes)
    caller, before = client(issuer.secret), state()

    answers = [
        caller.post(UPSTREAMS, NEW | {"slug": "x"}), caller.put(LLM, {"name": "x", "targets": []}),
        caller.patch(LLM, {"is_active": False}), caller.delete(LLM),
    ]  # fmt: skip

    assert [answer.json()["code"] for answer in answers] == ["insufficient_scope"] * 4
    assert caller.get(LLM).status_code == (200 if "upstreams:read" in scopes else 403)
    assert state() == before


def test_what_egress_allow_lists_is_saved_and_its_neighbour_is_not(admin_api, settings):
    settings.EGRESS_ALLOW = Allowed(networks=(ip_network("169.254.7.7/32"),))

    codes = {
        host: admin_api.post(
            UPSTREAMS, NEW | {"slug": f"u{number}", "targets": [{"base_url": f"http://{host}"}]}
        ).status_code
        for number, host in enumerate(("169.254.7.7", "169.254.7.8"))
    }

    assert codes == {"169.254.7.7": 201, "169.254.7.8": 422}
