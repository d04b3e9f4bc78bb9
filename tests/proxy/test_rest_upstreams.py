"""/api/v1/admin/upstreams: made, read, replaced, changed and deleted, with their targets."""

import json

import pytest

from apikeys.models import ApiKey, Grant
from events.models import Event
from proxy.models import Target, Upstream
from tests import make
from tests.apikeys.calls import pointers
from tests.proxy.calls import MASKED, NEW, OTHER, SECRET, UPSTREAMS, A, B, targets

pytestmark = pytest.mark.django_db
LLM = f"{UPSTREAMS}/llm"


@pytest.fixture
def llm(admin_api):
    answer = admin_api.post(UPSTREAMS, NEW)
    assert answer.status_code == 201, answer.content
    return answer


def kinds():
    return list(Event.objects.filter(subject="upstream:llm").values_list("kind", flat=True))


def test_an_upstream_is_made_listed_read_changed_and_deleted(admin_api):
    made = admin_api.post(UPSTREAMS, NEW)
    one = made.headers["Location"]
    changed = admin_api.patch(one, {"name": "More", "total_timeout_ms": 9000})
    read, listed = admin_api.get(one), admin_api.get(UPSTREAMS)
    deleted = admin_api.delete(one)

    assert (made.status_code, one, made.headers["ETag"]) == (201, LLM, '"1"')
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert (changed.json()["name"], changed.json()["total_timeout_ms"]) == ("More", 9000)
    assert read.json() == listed.json()["results"][0] == changed.json()
    assert read.headers["ETag"] == '"2"'
    assert (deleted.status_code, admin_api.get(one).status_code) == (204, 404)
    assert not Target.objects.exists()
    events = list(Event.objects.filter(subject="upstream:llm").order_by("id"))
    assert [event.kind for event in events] == [
        "upstream:created", "upstream:updated", "upstream:deleted",
    ]  # fmt: skip
    assert json.loads(events[1].details) == {
        "fields": ["name", "total_timeout_ms"],
        "before": {name: made.json()[name] for name in ("name", "total_timeout_ms")},
        "after": {"name": "More", "total_timeout_ms": 9000},
    }
    assert json.loads(events[0].details)["targets"] == [
        {"base_url": A, "weight": 1, "is_active": True, "credential": "new"}
    ]


def test_what_is_left_out_has_its_default(admin_api):
    body = admin_api.post(UPSTREAMS, {"slug": "bare", "name": "Bare"}).json()

    assert body["targets"] == []
    assert (body["injection"], body["is_active"], body["tls_verify"]) == ("none", True, True)
    assert (body["connect_timeout_ms"], body["total_timeout_ms"]) == (5000, None)
    assert (body["request_weight"], body["usage_format"], body["version"]) == (1, "none", 1)


def test_put_replaces_everything_but_credentials_that_are_left_out(admin_api, llm):
    admin_api.patch(LLM, {"is_active": False, "max_body_bytes": 5, "usage_format": "openai"})
    wanted = {"name": "Again", "injection": "query", "injection_name": "key",
              "targets": [{"base_url": A, "weight": 3}, {"base_url": B}]}  # fmt: skip

    answer = admin_api.put(LLM, wanted)

    found = answer.json()
    assert (found["is_active"], found["max_body_bytes"]) == (True, None)
    assert (found["usage_format"], found["injection_template"]) == ("none", "Bearer {credential}")
    assert (targets(answer)[A]["weight"], targets(answer)[A]["api_key_masked"]) == (3, MASKED)
    assert targets(answer)[B]["api_key_masked"] is None
    assert make.secrets_of(Target.objects.get(base_url=A)) == [SECRET]


def test_put_needs_its_targets_and_makes_nothing_new(admin_api, llm):
    assert pointers(admin_api.put(LLM, {"name": "x"})) == ["#/targets"]
    assert pointers(admin_api.put(LLM, {"targets": []})) == ["#/name"]
    assert admin_api.put(f"{UPSTREAMS}/other", {"name": "x", "targets": []}).status_code == 404
    assert targets(admin_api.put(LLM, {"name": "x", "targets": []})) == {}


def test_a_list_of_targets_is_all_of_them(admin_api, llm):
    answer = admin_api.patch(LLM, {"targets": [{"base_url": B, "api_key": OTHER, "weight": 2}]})
    first = targets(answer)[B]
    again = admin_api.patch(LLM, {"targets": [{"base_url": B, "is_active": False}]})

    assert set(targets(answer)) == set(targets(again)) == {B}
    assert targets(again)[B] == first | {"weight": 1, "is_active": False}
    assert make.secrets_of(Target.objects.get()) == [OTHER]


def test_a_credential_follows_to_no_other_address(admin_api, llm):
    """Else whoever may write could read it, by having it sent to themselves."""
    for base_url in (
        "http://evil.test",
        A.replace("8001", "8002"),
        f"{A}/v1",
        "https://a.test:8001",
    ):
        answer = admin_api.patch(LLM, {"targets": [{"base_url": base_url}]})
        assert targets(answer)[base_url]["api_key_masked"] is None
        back = admin_api.patch(LLM, {"targets": [{"base_url": A, "api_key": SECRET}]})
        assert targets(back)[A]["api_key_masked"] == MASKED


def test_null_takes_a_credential_away(admin_api, llm):
    answer = admin_api.patch(LLM, {"targets": [{"base_url": A, "api_key": None}]})

    assert targets(answer)[A]["api_key_masked"] is None
    assert make.secrets_of(Target.objects.get()) == []


def test_nothing_new_is_no_change_and_no_event(admin_api, llm):
    same = {name: llm.json()[name] for name in ("name", "injection", "connect_timeout_ms")}
    rows = list(Target.objects.values_list("updated_at", flat=True))

    answers = [admin_api.patch(LLM, body) for body in ({}, same, {"targets": [{"base_url": A}]})]

    assert [answer.json() for answer in answers] == [llm.json()] * 3
    assert kinds() == ["upstream:created"]
    assert list(Target.objects.values_list("updated_at", flat=True)) == rows


def test_a_given_credential_is_a_change_whichever_it_is(admin_api, llm):
    """An equal one told apart from another would be a way to guess it."""
    versions = [
        admin_api.patch(LLM, {"targets": [{"base_url": A, "api_key": key}]}).json()["version"]
        for key in (SECRET, OTHER)
    ]

    assert versions == [2, 3]


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_if_match_guards_against_anothers_change(admin_api, llm, method):
    body = {"name": "Mine", "targets": []}
    send = getattr(admin_api, method)

    refused = [send(LLM, body, HTTP_IF_MATCH=tag) for tag in ('"2"', 'W/"1"', "x", '"1x"')]
    taken = send(LLM, body, HTTP_IF_MATCH='"7", "1"')

    assert {answer.status_code for answer in refused} == {412}
    assert refused[0].json()["code"] == "precondition_failed"
    assert taken.status_code < 300


def test_a_slug_is_taken_once_and_never_changes(admin_api, llm):
    again = admin_api.post(UPSTREAMS, NEW | {"name": "x"})

    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert pointers(admin_api.patch(LLM, {"slug": "x"})) == ["#/slug"]
    assert Upstream.objects.get().name == "LLM"
    assert kinds() == ["upstream:created"]


def test_a_repeat_with_an_idempotency_key_is_one_upstream(admin_api):
    answers = [admin_api.post(UPSTREAMS, NEW, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert Upstream.objects.count() == 1


def test_a_refused_change_changes_nothing(admin_api, llm):
    """Also not the part of it that came before the fault."""
    wanted = {"name": "x", "injection_name": "Host", "targets": []}

    assert pointers(admin_api.patch(LLM, wanted)) == ["#/injection_name"]
    assert admin_api.get(LLM).json() == llm.json()
    assert kinds() == ["upstream:created"]


def test_with_an_upstream_all_grants_on_it_go_and_the_event_says_whose(admin_api, llm):
    alice = make.member()
    key = make.key(alice).key
    for given in ({"tier_id": "starter"}, {"member": alice}, {"key": key}):
        Grant.objects.create(upstream="llm", **given)
    Grant.objects.create(upstream="echo", key=key)
    version = ApiKey.objects.get(pk=key.pk).version

    assert admin_api.delete(LLM).status_code == 204

    assert not Grant.objects.filter(upstream="llm").exists()
    assert Grant.objects.filter(upstream="echo", key=key).exists()
    assert ApiKey.objects.get(pk=key.pk).version == version + 1
    details = json.loads(Event.objects.get(kind="upstream:deleted").details)
    whose = {"tier:starter", f"member:{alice.pk.hex}", f"key:{key.pk.hex}"}
    assert set(details["grants"]) == whose


def test_an_upstream_stays_while_a_key_would_be_bound_by_nothing(admin_api, llm):
    """Without grants of its own it could call whatever its member may."""
    key = make.key().key
    Grant.objects.create(upstream="llm", key=key)

    refused = admin_api.delete(LLM)
    admin_api.delete(f"/api/v1/admin/keys/{key.pk}")
    taken = admin_api.delete(LLM)

    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert str(key.pk) in refused.json()["detail"]
    assert taken.status_code == 204
