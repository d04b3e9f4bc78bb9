"""/api/v1/admin/upstreams/{slug}/models: what an upstream offers."""

import json
import uuid

import pytest

from events.models import Event
from proxy.models import UpstreamModel
from tests import make
from tests.apikeys.calls import client, pointers
from tests.proxy.calls import NEW, UPSTREAMS, A, B

pytestmark = pytest.mark.django_db
LLM = f"{UPSTREAMS}/llm"
MODELS = f"{LLM}/models"


@pytest.fixture
def llm(admin_api):
    return admin_api.post(UPSTREAMS, NEW | {"usage_format": "openai"}).json()


def test_a_model_is_offered_listed_changed_and_taken_away(admin_api, llm):
    made = admin_api.post(MODELS, {"name": "small", "sent_as": "gpt-4o-mini", "targets": [A]})
    row = f"{MODELS}/{made.json()['id']}"
    changed = admin_api.patch(row, {"sent_as": "", "targets": [], "is_active": False})
    same = admin_api.patch(row, {"is_active": False})
    listed = admin_api.get(MODELS).json()
    gone = admin_api.delete(row)

    assert (made.status_code, gone.status_code) == (201, 204)
    assert changed.json() == made.json() | {"sent_as": "", "targets": [], "is_active": False}
    assert (listed["total"], listed["results"]) == (1, [same.json()])
    assert admin_api.get(MODELS).json()["total"] == 0
    assert admin_api.get(LLM).json()["version"] == 4
    told = [json.loads(row.details) for row in Event.objects.order_by("id")[1:]]
    assert [[each["sent_as"] for each in event["before"]["models"]] for event in told] == [
        [], ["gpt-4o-mini"], [""],
    ]  # fmt: skip
    assert [[each["sent_as"] for each in event["after"]["models"]] for event in told] == [
        ["gpt-4o-mini"], [""], [],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"name": ""}, "#/name"), ({"name": "a b"}, "#/name"), ({"name": "\u00e9"}, "#/name"),
        ({"name": "x" * 101}, "#/name"), ({"name": None}, "#/name"),
        ({"sent_as": "a b"}, "#/sent_as"),
        ({"sent_as": "x" * 101}, "#/sent_as"), ({"targets": [B]}, "#/targets"),
        ({"targets": "x"}, "#/targets"), ({"targets": None}, "#/targets"),
        ({"is_active": "x"}, "#/is_active"), ({"upstream": "llm"}, "#/upstream"),
        ({"id": 1}, "#/id"),
        ({"created_at": None}, "#/created_at"),
    ],
    ids=str,
)  # fmt: skip
def test_faults_have_pointers_and_change_nothing(admin_api, llm, given, pointer):
    refused = admin_api.post(MODELS, {"name": "small"} | given)

    assert pointers(refused) == [pointer]
    assert not UpstreamModel.objects.exists()


def test_a_name_is_there_once_and_stays(admin_api, llm):
    made = admin_api.post(MODELS, {"name": "small"})
    again = admin_api.post(MODELS, {"name": "small", "sent_as": "x"})

    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert pointers(admin_api.patch(f"{MODELS}/{made.json()['id']}", {"name": "x"})) == ["#/name"]
    assert UpstreamModel.objects.get().sent_as == ""


def test_models_take_a_usage_format(admin_api, llm):
    """Without one no call would tell its model."""
    none = {"usage_format": "none"}
    admin_api.post(UPSTREAMS, NEW | {"slug": "plain"})

    assert pointers(admin_api.post(f"{UPSTREAMS}/plain/models", {"name": "a"})) == ["#/name"]
    assert pointers(admin_api.patch(f"{UPSTREAMS}/plain", {"models_only": True})) == [
        "#/usage_format"
    ]
    admin_api.post(MODELS, {"name": "small"})
    assert pointers(admin_api.patch(LLM, none)) == ["#/usage_format"]
    assert admin_api.patch(LLM, {"models_only": True}).json()["models_only"] is True


def test_what_is_not_there_is_not_found(admin_api, llm):
    admin_api.post(UPSTREAMS, NEW | {"slug": "other", "usage_format": "openai"})
    theirs = admin_api.post(f"{UPSTREAMS}/other/models", {"name": "a"}).json()["id"]
    rows = [f"{MODELS}/{theirs}", f"{MODELS}/{uuid.uuid4()}", f"{UPSTREAMS}/none/models/{theirs}"]
    answers = [admin_api.patch(row, {"sent_as": "x"}) for row in rows]
    answers += [admin_api.delete(row) for row in rows]
    answers += [admin_api.get(f"{UPSTREAMS}/none/models"),
                admin_api.post(f"{UPSTREAMS}/none/models", {"name": "a"})]  # fmt: skip

    assert {answer.status_code for answer in answers} == {404}
    assert UpstreamModel.objects.get().sent_as == ""


def test_a_key_without_the_scope_writes_none(admin_api, llm):
    row = f"{MODELS}/{admin_api.post(MODELS, {'name': 'small'}).json()['id']}"
    issuer = make.service_key("issuer")
    issuer.key.scopes = ["upstreams:read"]
    issuer.key.save(update_fields=["scopes"])
    caller = client(issuer.secret)

    answers = [caller.post(MODELS, {"name": "x"}), caller.patch(row, {}), caller.delete(row)]

    assert [answer.json()["code"] for answer in answers] == ["insufficient_scope"] * 3
    assert caller.get(MODELS).json()["total"] == 1
