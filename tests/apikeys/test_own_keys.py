"""/api/v1/me/keys: a member manages their own keys, and nobody else's are there (ACL-01, 02)."""

import uuid

import pytest

from apikeys.models import ApiKey, Counter, KeyType
from apikeys.services import issue
from tests import make
from tests.apikeys.calls import MINE, client, code, pointers

pytestmark = pytest.mark.django_db


def test_a_member_issues_lists_and_reads_keys():
    alice = make.member()
    caller = client(make.key(alice).secret)

    made = caller.post(MINE, {"name": "Laptop", "expires_in_days": 3})

    body = made.json()
    assert (made.status_code, made.headers["Location"]) == (201, f"{MINE}/{body['id']}")
    assert (code(body["api_key"]), body["owner"]["username"]) == ("", "alice")
    listed = caller.get(MINE).json()
    assert (listed["total"], listed["results"][0]["id"]) == (3, body["id"])
    assert "api_key" not in listed["results"][0]
    one = caller.get(f"{MINE}/{body['id']}")
    assert (one.headers["ETag"], one.json()["name"]) == ('"1"', "Laptop")


def test_managing_keys_costs_nothing():
    caller = client(make.key().secret)

    caller.post(MINE, {"name": "x"})

    assert sum(Counter.objects.values_list("used", flat=True)) == 0


def test_another_members_key_answers_exactly_like_a_missing_one():
    bobs, caller = make.key(make.member("bob")), client(make.key(make.member("alice")).secret)

    for method, tail in (("get", ""), ("post", "/rotate"), ("post", "/revoke")):
        answers = [
            getattr(caller, method)(f"{MINE}/{pk}{tail}") for pk in (bobs.key.pk, uuid.uuid4())
        ]
        bodies = [answer.json() for answer in answers]
        for body in bodies:
            del body["request_id"], body["instance"]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert bodies[0] == bodies[1]
    assert code(bobs.secret) == ""
    assert str(bobs.key.pk) not in str(caller.get(MINE).json())


@pytest.mark.parametrize("query", ["owner=", "ordering=name", "page=1"])
def test_no_parameter_shows_anothers_keys(query):
    bob = make.member("bob")
    caller = client(make.key(make.member("alice")).secret)

    text = caller.get(f"{MINE}?{query.replace('owner=', f'owner={bob.pk}')}").content.decode()

    assert "bob" not in text


@pytest.mark.parametrize(
    "given",
    [{"owner": "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0"}, {"tier": "enterprise"}, {"role": "admin"},
     {"service_name": "x"}, {"key_type": "admin"}, {"version": 9}, {"api_key": "x"}],
    ids=str,
)  # fmt: skip
def test_a_member_says_nothing_about_owner_type_role_or_tier(given):
    caller = client(make.key().secret)

    assert pointers(caller.post(MINE, {"name": "x", **given})) == [f"#/{next(iter(given))}"]


def test_a_member_rotates_and_revokes_the_key_they_call_with():
    issued = make.key()

    rotated = client(issued.secret).post(f"{MINE}/{issued.key.pk}/rotate", {"grace_seconds": 0})
    body = rotated.json()
    revoked = client(body["api_key"]).post(f"{MINE}/{issued.key.pk}/revoke")

    assert (rotated.status_code, body["id"]) == (200, str(issued.key.pk))
    assert body["rotate_url"] == f"{MINE}/{issued.key.pk}/rotate"
    assert (revoked.status_code, revoked.json()["is_active"]) == (200, False)
    assert (code(issued.secret), code(body["api_key"])) == ("invalid_key", "key_revoked")


def test_reading_and_writing_need_their_scopes():
    alice = make.member()
    reader, writer = make.key(alice), make.key(alice)
    ApiKey.objects.filter(pk=reader.key.pk).update(scopes=["keys:read"])
    ApiKey.objects.filter(pk=writer.key.pk).update(scopes=["keys:write"])

    assert client(reader.secret).get(MINE).status_code == 200
    assert client(reader.secret).post(MINE, {"name": "x"}).status_code == 403
    assert client(writer.secret).get(MINE).status_code == 403
    assert client(writer.secret).post(MINE, {"name": "x"}).status_code == 201


def test_a_services_key_has_no_keys_of_its_own_even_with_an_owner():
    service = make.service_key("admin")
    ApiKey.objects.filter(pk=service.key.pk).update(owner=make.member())

    for answer in (client(service.secret).get(MINE), client(service.secret).post(MINE, {})):
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


def test_a_members_service_keys_are_not_among_them():
    alice = make.member()
    issued, service = make.key(alice), make.service_key("admin")
    ApiKey.objects.filter(pk=service.key.pk).update(owner=alice)

    assert client(issued.secret).get(f"{MINE}/{service.key.pk}").status_code == 404
    assert client(issued.secret).post(f"{MINE}/{service.key.pk}/rotate").status_code == 404


def test_no_session_reaches_a_members_keys(api):
    api.force_login(make.staff())

    assert api.get(MINE).json()["code"] == "missing_key"


def test_a_member_has_room_for_so_many_keys(monkeypatch):
    monkeypatch.setattr(issue, "KEYS_PER_MEMBER", 3)
    caller = client(make.key().secret)

    made = caller.post(MINE, {"name": "x"}).json()
    refused = caller.post(MINE, {"name": "x"})
    caller.post(f"{MINE}/{made['id']}/revoke")

    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert caller.post(MINE, {"name": "x"}).status_code == 201


def test_the_list_costs_the_same_for_two_keys_or_seven(django_assert_num_queries):
    alice = make.member()
    issued = make.key(alice)
    caller = client(issued.secret)
    caller.get(MINE)  # the request log's partition of the day is made once
    counts = []
    for _ in range(2):
        with django_assert_num_queries(99, exact=False) as captured:
            caller.get(MINE)
        counts.append(len(captured))
        for _ in range(5):
            make.key(alice)

    assert counts[0] == counts[1]
    assert ApiKey.objects.filter(owner=alice, key_type=KeyType.USER).count() == 12


def test_a_list_has_no_filters():
    caller = client(make.key().secret)

    for query, pointer in (("owner=x", "?owner"), ("page=1&page=2", "?page")):
        assert pointers(caller.get(f"{MINE}?{query}")) == [pointer]
