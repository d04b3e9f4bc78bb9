"""/api/v1/admin/users/{id}/…: suspend, resume, delete, restore, rename, merge."""

import uuid

import pytest

from accounts.models import User
from apikeys.models import ApiKey, LimitOverride
from events.models import Mail
from tests import make
from tests.apikeys.calls import client, code, pointers
from tests.provisioning.people import place, told
from tests.provisioning.wordpress import event, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice():
    return make.member("alice")


@pytest.fixture
def theirs():
    """A member whose profile is WordPress's."""
    make.site()
    send(event(1))
    return User.objects.get()


def test_a_life_by_rest(admin_api, alice):
    secret = make.key(alice).secret
    said = []
    for verb, body in (
        ("suspend", {"reason": "unpaid"}), ("suspend", {}), ("resume", {}), ("resume", {}),
    ):  # fmt: skip
        answer = admin_api.post(place(alice, verb), body)
        said.append((answer.status_code, answer.json()["status"], code(secret)))
    gone = [admin_api.delete(place(alice)).status_code for _ in range(2)]

    assert said == [(200, "suspended", "member_suspended")] * 2 + [(200, "active", "")] * 2
    assert (gone, code(secret)) == ([204, 204], "key_revoked")
    assert admin_api.get(place(alice)).json()["status"] == "deleted"
    assert told(admin_api.patch(place(alice), {"display_name": "A"})) == (409, "conflict")
    assert told(admin_api.post(place(alice, "suspend"), {})) == (409, "conflict")


class TestRestoring:
    KEY = {"HTTP_IDEMPOTENCY_KEY": "again"}

    def test_the_link_is_in_the_first_answer_only(self, api, admin_api, alice):
        admin_api.delete(place(alice))
        Mail.objects.all().delete()

        first = admin_api.post(place(alice, "restore"), {"claim": True}, **self.KEY).json()
        again = admin_api.post(place(alice, "restore"), {"claim": True}, **self.KEY).json()

        assert first["status"] == "active"
        path = first["claim_url"].removeprefix("http://127.0.0.1:3002")
        assert api.get(path).status_code == 200
        assert (again["claim_url"], again["secret_status"]) == (None, "delivered")
        assert ApiKey.objects.filter(revoked_at=None).count() == 1
        assert not Mail.objects.exists()

    def test_without_claim_the_link_goes_by_mail(self, admin_api, alice):
        admin_api.delete(place(alice))
        Mail.objects.all().delete()

        body = admin_api.post(place(alice, "restore"), {}).json()

        assert body["claim_url"] is None
        assert Mail.objects.get().template == "welcome"

    def test_who_lives_is_not_restored(self, admin_api, alice):
        assert told(admin_api.post(place(alice, "restore"), {})) == (409, "conflict")

    def test_a_key_with_a_quota_of_its_own_restores_nobody(self, admin_api, alice):
        admin_api.delete(place(alice))
        issuer = make.service_key("issuer")
        LimitOverride.objects.create(key=issuer.key, name="requests_per_day", value=9)

        answer = client(issuer.secret).post(place(alice, "restore"), {})

        assert told(answer) == (403, "permission_denied")
        assert User.objects.get().status == "deleted"


class TestMerging:
    def test_a_pending_wordpress_user_becomes_the_live_members(self, admin_api, alice):
        make.site()
        send(event(1))
        twin = User.objects.get(wordpress_id=37)

        body = admin_api.post(place(twin, "merge"), {"into": str(alice.pk)}).json()

        assert (body["id"], body["wordpress_id"]) == (str(alice.pk), 37)
        assert admin_api.get(place(twin)).json()["status"] == "deleted"

    @pytest.mark.parametrize("into", [None, "x", str(uuid.UUID(int=7)), "staff"])
    def test_into_whom_must_be_a_member(self, admin_api, theirs, into):
        given = str(make.staff().pk) if into == "staff" else into

        assert pointers(admin_api.post(place(theirs, "merge"), {"into": given})) == ["#/into"]

    def test_who_is_not_pending_is_409(self, admin_api, theirs):
        bob = make.member("bob")

        answer = admin_api.post(place(bob, "merge"), {"into": str(theirs.pk)})

        assert told(answer) == (409, "conflict")


@pytest.mark.parametrize("body", [{}, {"name": "x"}, {"username": ""}, {"email": "x"}, []])
def test_a_rename_without_a_name_is_422(admin_api, alice, body):
    assert told(admin_api.post(place(alice, "rename"), body)) == (422, "invalid_input")


def test_members_keys_reach_nothing_of_this(alice):
    mine = client(make.key(alice).secret)

    for verb in ("suspend", "resume", "restore", "rename", "merge"):
        assert told(mine.post(place(alice, verb), {})) == (403, "permission_denied")
    assert told(mine.delete(place(alice))) == (403, "permission_denied")
