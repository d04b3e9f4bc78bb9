"""POST /api/v1/admin/keys/batch: up to 500 keys, all or none, secrets once."""

import json

import pytest
from django.contrib.auth.models import Permission

from apikeys.models import ApiKey
from momentry.common.models import IdempotencyRecord
from tests import make
from tests.apikeys.calls import KEYS, client, code, pointers

pytestmark = pytest.mark.django_db
BATCH = f"{KEYS}/batch"
SERVICE = {"name": "prometheus", "key_type": "service", "role": "metrics"}


def test_a_batch_is_issued_in_its_order_and_every_secret_works(admin_api):
    make.member("alice")
    entries = [
        SERVICE,
        {"name": "Laptop", "owner": "alice", "permissions": ["read"], "ttl_days": 9},
    ]

    answer = admin_api.post(BATCH, {"keys": entries})

    assert (answer.status_code, answer.json()["created"]) == (201, 2)
    assert answer["Cache-Control"] == "no-store"
    first, second = answer.json()["keys"]
    assert (first["name"], second["owner"]["username"]) == ("prometheus", "alice")
    assert [code(key["api_key"]) for key in (first, second)] == ["", ""]
    assert first["rotate_url"] == f"{KEYS}/{first['id']}/rotate"
    assert set(client(second["api_key"]).get("/api/v1/me").json()["key"]) <= set(second)


def test_all_problems_come_at_once_and_nothing_is_made(admin_api):
    entries = [
        SERVICE,
        {**SERVICE, "name": "b", "permissions": ["emperor"]},
        {"key_type": "user", "name": "c"},
        {**SERVICE, "name": "d", "colour": 1, "ttl_days": 0},
        {**SERVICE, "name": "e", "metadata": {"x": "\0"}},
        {**SERVICE, "name": "\ud800"},
        {**SERVICE, "name": "g", "metadata": {"big": "x" * 65_536}},
        7,
    ]

    sent = json.dumps({"keys": entries})  # escaped: a lone surrogate is no UTF-8
    answer = admin_api.post(BATCH, sent, content_type="application/json")

    assert sorted(pointers(answer)) == [
        "#/keys/1/permissions/0", "#/keys/2/owner", "#/keys/3/colour", "#/keys/4/metadata",
        "#/keys/5/name", "#/keys/6/metadata", "#/keys/7",
    ]  # fmt: skip
    assert answer.status_code == 422
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize(
    "body", [{}, {"keys": []}, {"keys": {}}, {"keys": [SERVICE] * 501}, [], {"keys": None}],
    ids=["nothing", "empty", "object", "501", "list", "null"],
)  # fmt: skip
def test_one_to_five_hundred_keys(body, admin_api):
    assert set(pointers(admin_api.post(BATCH, body))) & {"#/keys", "#"}
    assert not ApiKey.objects.exists()


def test_a_field_beside_keys_is_refused(admin_api):
    assert pointers(admin_api.post(BATCH, {"keys": [SERVICE], "owner": "a"})) == ["#/owner"]


def test_a_replay_has_no_secret_and_none_was_stored(admin_api):
    body = {"keys": [{**SERVICE, "metadata": {"api_key": "theirs", "list": [{"api_key": "x"}]}}]}
    given = {"HTTP_IDEMPOTENCY_KEY": "batch-1"}

    first = admin_api.post(BATCH, body, **given).json()["keys"][0]
    again = admin_api.post(BATCH, body, **given)

    (replayed,) = again.json()["keys"]
    assert again["Idempotency-Replayed"] == "true"
    assert replayed == {**first, "api_key": None, "secret_status": "delivered"}
    assert ApiKey.objects.count() == 1
    assert first["api_key"] not in json.dumps(IdempotencyRecord.objects.get().body)
    assert admin_api.post(BATCH, {"keys": [SERVICE]}, **given).status_code == 422


def test_nobody_hands_out_more_than_they_hold_by_batch_either(api):
    api.credentials(HTTP_X_API_KEY=make.service_key("issuer").secret)
    made = {"name": "fine", "key_type": "service", "role": "issuer"}

    answer = api.post(BATCH, {"keys": [made, {"name": "admin", "key_type": "admin"}]})

    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert [problem["pointer"] for problem in answer.json()["errors"]] == ["#/keys/1"]
    assert ApiKey.objects.count() == 1
    assert api.post(BATCH, {"keys": [made]}).status_code == 201


def test_staff_without_all_rights_issue_members_keys_only(api):
    alice, root = make.member("alice"), make.staff(superuser=False)
    api.force_login(root)
    own = {"name": "Laptop", "owner": str(alice.pk)}
    assert api.post(BATCH, {"keys": [own]}).status_code == 403

    root.user_permissions.add(Permission.objects.get(codename="add_apikey"))

    assert api.post(BATCH, {"keys": [own]}).status_code == 201
    assert api.post(BATCH, {"keys": [SERVICE]}).json()["code"] == "permission_denied"


def test_members_and_lesser_roles_reach_no_batch_route(api):
    told = {
        make.key().secret: "permission_denied",
        make.service_key("validator").secret: "insufficient_scope",
    }
    for secret, refusal in told.items():
        api.credentials(HTTP_X_API_KEY=secret)
        for route in ("batch", "batch-revoke", "import"):
            answer = api.post(f"{KEYS}/{route}", {"keys": [SERVICE]})
            assert (answer.status_code, answer.json()["code"]) == (403, refusal)
    api.credentials()
    assert api.post(BATCH, {"keys": [SERVICE]}).json()["code"] == "missing_key"


def test_the_answer_costs_no_query_per_key(admin_api, django_assert_max_num_queries):
    body = {"keys": [{**SERVICE, "name": f"s{number}"} for number in range(20)]}

    with django_assert_max_num_queries(20 * 4 + 20):
        assert admin_api.post(BATCH, body).status_code == 201
