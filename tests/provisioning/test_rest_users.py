"""POST /api/v1/admin/users: a member with its key once, or a claim link once."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from apikeys.models import ApiKey, LimitOverride
from events.models import Event, Mail
from momentry.common.models import IdempotencyRecord
from tests import make
from tests.apikeys.calls import client, pointers

pytestmark = pytest.mark.django_db
USERS = "/api/v1/admin/users"
ALICE = {"username": "alice", "email": "alice@example.org"}


def test_a_new_member_gets_a_key_that_works(api, admin_api):
    answer = admin_api.post(USERS, ALICE)

    body = answer.json()
    assert answer.status_code == 201
    assert (body["username"], body["status"], body["claim_url"]) == ("alice", "active", None)
    me = api.get("/api/v1/me", HTTP_X_API_KEY=body["api_key"]).json()
    assert me["key"]["id"] == body["key_id"]
    assert Mail.objects.count() == 0


def test_with_claim_the_answer_is_a_link_and_no_key(api, admin_api):
    body = admin_api.post(USERS, ALICE | {"claim": True}).json()

    assert body["api_key"] is None
    path = body["claim_url"].removeprefix("http://127.0.0.1:3002")
    assert api.get(path).status_code == 200
    assert ApiKey.objects.get().digest is None


def test_the_secret_is_stored_nowhere(admin_api):
    secret = admin_api.post(USERS, ALICE, HTTP_IDEMPOTENCY_KEY='"k"').json()["api_key"]

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema='public'"
        )
        for (table,) in cursor.fetchall():
            cursor.execute(
                f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE %s', [f"%{secret[-40:]}%"]
            )
            assert cursor.fetchone() == (0,), table


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/username"),
        ({"username": ""}, "#/username"),
        ({"username": "x" * 61}, "#/username"),
        (ALICE | {"email": "nope"}, "#/email"),
        (ALICE | {"tier": "gold"}, "#/tier"),
        (ALICE | {"is_staff": True}, "#/is_staff"),
        (ALICE | {"is_superuser": True}, "#/is_superuser"),
        (ALICE | {"password": "x"}, "#/password"),
        (ALICE | {"claim": "perhaps"}, "#/claim"),
        (["alice"], "#"),
        (ALICE | {"username": {"a": 1}}, "#/username"),
    ],
)
def test_bad_input_is_422_with_its_place_and_makes_nothing(admin_api, body, pointer):
    answer = admin_api.post(USERS, body)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert pointer in [problem["pointer"] for problem in answer.json()["errors"]]
    assert User.objects.count() == 0


def test_a_body_that_is_no_json_is_400(admin_api):
    answer = admin_api.generic("POST", USERS, b"{", content_type="application/json")

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_json_nested_beyond_reading_is_400(admin_api):
    answer = admin_api.generic("POST", USERS, b"[" * 100_000, content_type="application/json")

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_what_holds_a_key_is_kept_by_no_cache(admin_api):
    assert admin_api.post(USERS, ALICE).headers["Cache-Control"] == "no-store"


def test_a_body_of_another_type_is_415(admin_api):
    answer = admin_api.generic("POST", USERS, b"a=1", content_type="text/plain")

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_the_same_name_again_is_a_pending_member(admin_api):
    admin_api.post(USERS, ALICE)

    body = admin_api.post(USERS, {"username": "Alice"}).json()

    assert (body["status"], body["status_reason"]) == ("pending", "username in use")


@pytest.mark.parametrize("header", [{}, {"HTTP_AUTHORIZATION": "Bearer wrong-token-" + "x" * 32}])
def test_without_the_token_nothing_is_made(api, header):
    answer = api.post(USERS, ALICE, **header)

    assert answer.status_code == 401
    assert User.objects.count() == 0


def test_the_actor_is_recorded(admin_api):
    admin_api.post(USERS, ALICE)

    assert set(Event.objects.values_list("actor", flat=True)) == {"admin-token"}


def test_members_are_listed_in_pages(admin_api):
    for name in ("alice", "bob", "carol"):
        make.member(name)
    make.staff()

    body = admin_api.get(f"{USERS}?page=2&page_size=2").json()

    assert (body["total"], body["page"], body["page_size"]) == (3, 2, 2)
    assert [row["username"] for row in body["results"]] == ["alice"]


def test_a_filter_that_does_not_exist_is_refused(admin_api):
    for query, pointer in (
        ("tier=trial&tiers=a", "?tiers"), ("page=1&page=2", "?page"), ("email=a", "?email"),
        ("status=gone", "?status"), ("ordering=password", "?ordering"), ("site=1", "?site"),
        ("password__startswith=a", "?password__startswith"), ("wordpress_id=x", "?wordpress_id"),
    ):  # fmt: skip
        assert pointers(admin_api.get(f"{USERS}?{query}")) == [pointer]


def test_an_issuer_makes_members_of_the_usual_tier_only(settings):
    caller = client(make.service_key("issuer").secret)

    refused = caller.post(USERS, ALICE | {"tier": "enterprise"})
    usual = caller.post(USERS, ALICE | {"tier": settings.DEFAULT_TIER})

    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert (usual.status_code, usual.json()["tier"]) == (201, settings.DEFAULT_TIER)
    assert User.objects.count() == 1


def test_who_holds_everything_gives_any_tier(api, admin_api):
    api.force_login(make.staff())
    callers = [client(make.service_key("admin").secret), admin_api, api]

    made = [
        caller.post(USERS, {"username": f"member{place}", "tier": "enterprise"})
        for place, caller in enumerate(callers)
    ]

    assert [answer.json().get("tier") for answer in made] == ["enterprise"] * 3


def test_an_issuer_with_a_quota_of_its_own_makes_no_members():
    issuer = make.service_key("issuer")
    LimitOverride.objects.create(key=issuer.key, name="requests_per_day", value=9)

    for given in (ALICE, ALICE | {"claim": True}):
        answer = client(issuer.secret).post(USERS, given)
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert User.objects.count() == 0


class TestIdempotency:
    KEY = {"HTTP_IDEMPOTENCY_KEY": '"8e03978e-40d5-43e8-bc93-6894a57f9324"'}

    def test_a_repeat_gets_the_same_answer_without_the_secret(self, admin_api):
        first = admin_api.post(USERS, ALICE, **self.KEY)

        again = admin_api.post(USERS, ALICE, **self.KEY)

        assert (again.status_code, again.json()["id"]) == (201, first.json()["id"])
        assert again.json()["api_key"] is None
        assert again.json()["secret_status"] == "delivered"
        assert again.json()["rotate_url"] == first.json()["rotate_url"]
        assert again.headers["Idempotency-Replayed"] == "true"
        assert User.objects.count() == 1

    def test_who_lost_the_secret_gets_another_by_the_link_of_the_replay(self, api, admin_api):
        lost = admin_api.post(USERS, ALICE, **self.KEY).json()["api_key"]
        link = admin_api.post(USERS, ALICE, **self.KEY).json()["rotate_url"]

        found = admin_api.post(link, {"grace_seconds": 0}).json()["api_key"]

        assert api.get("/api/v1/me", HTTP_X_API_KEY=found).status_code == 200
        assert api.get("/api/v1/me", HTTP_X_API_KEY=lost).status_code == 401

    def test_a_link_to_claim_has_no_secret_to_rotate(self, admin_api):
        wish = ALICE | {"claim": True}
        first = admin_api.post(USERS, wish, **self.KEY).json()
        again = admin_api.post(USERS, wish, **self.KEY).json()

        assert (first["rotate_url"], again["rotate_url"], again["claim_url"]) == (None, None, None)
        assert again["secret_status"] == "delivered"

    def test_another_body_under_the_same_key_is_422(self, admin_api):
        admin_api.post(USERS, ALICE, **self.KEY)

        answer = admin_api.post(USERS, ALICE | {"username": "bob"}, **self.KEY)

        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")

    def test_a_failed_request_leaves_no_record(self, admin_api):
        admin_api.post(USERS, {"username": ""}, **self.KEY)

        assert IdempotencyRecord.objects.count() == 0
        assert admin_api.post(USERS, ALICE, **self.KEY).status_code == 201

    def test_the_key_is_the_actors_own(self, api, admin_api):
        admin_api.post(USERS, ALICE, **self.KEY)
        api.credentials(HTTP_X_API_KEY=make.service_key("issuer").secret)

        answer = api.post(USERS, {"username": "bob"}, **self.KEY)

        assert answer.status_code == 201

    def test_after_a_day_the_key_is_free_again(self, admin_api):
        admin_api.post(USERS, ALICE, **self.KEY)
        a_day_ago = timezone.now() - timedelta(hours=24)
        IdempotencyRecord.objects.update(created_at=a_day_ago)

        answer = admin_api.post(USERS, {"username": "bob"}, **self.KEY)

        assert (answer.status_code, answer.json()["username"]) == (201, "bob")

    def test_an_overlong_key_is_400(self, admin_api):
        answer = admin_api.post(USERS, ALICE, HTTP_IDEMPOTENCY_KEY="k" * 201)

        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")

    @pytest.mark.django_db(transaction=True, serialized_rollback=True)
    def test_many_at_once_make_one_member(self, admin_api):
        answers = []

        def post() -> None:
            try:
                answers.append(admin_api.post(USERS, ALICE, **self.KEY))
            finally:
                connection.close()

        workers = [threading.Thread(target=post) for _ in range(6)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

        assert {answer.status_code for answer in answers} <= {201, 409}
        assert len([a for a in answers if a.status_code == 201 and a.json()["api_key"]]) == 1
        assert User.objects.count() == 1
