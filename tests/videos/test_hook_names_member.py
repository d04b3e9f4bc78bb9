"""POST /api/v1/register for a hook: a service's key names the member by X-SFTPGo-User."""

import pytest

from accounts.models import Status, User
from tests import make
from tests.videos.calls import REGISTER, Caller, caller, hook_key, pointers, sent
from videos.models import Source, Video

pytestmark = pytest.mark.django_db

FILE = {"path": "/a.mp4", "size": 60}
ALICE = {"X-SFTPGo-User": "wp-alice"}


@pytest.fixture
def alice():
    made = caller()
    User.objects.filter(pk=made.member.pk).update(sftpgo_username="wp-alice")
    return made


@pytest.fixture
def hook():
    return Caller(make.member("nobody"), hook_key("hooks:sftpgo"))


def test_the_file_is_the_named_members(alice, hook):
    answer = hook.post(REGISTER, FILE, **ALICE)

    assert answer.status_code == 201
    video = Video.objects.get()
    assert (video.owner, video.source) == (alice.member, Source.SFTPGO)
    assert alice.figures() == (60, 0)
    assert hook.post(REGISTER, {**FILE, "size": 101}, **ALICE).status_code == 403


def test_the_same_idempotency_key_for_two_members_is_two_requests(alice, hook):
    bob = caller("bob")
    User.objects.filter(pk=bob.member.pk).update(sftpgo_username="wp-bob")
    once = {"Idempotency-Key": "one"}

    first = hook.post(REGISTER, FILE, **ALICE, **once)
    second = hook.post(REGISTER, FILE, **{"X-SFTPGo-User": "wp-bob"}, **once)

    assert (first.status_code, second.status_code) == (201, 201)
    assert (alice.figures(), bob.figures()) == ((60, 0), (60, 0))


@pytest.mark.parametrize(
    "name", ["", "alice", "WP-ALICE", "wp-alice ,", "wp-alice'--", "é", "\xff"]
)
def test_a_name_that_is_nobodys_is_refused(alice, hook, name):
    refused = hook.post(REGISTER, FILE, **{"X-SFTPGo-User": name})

    assert (refused.status_code, pointers(refused)) == (422, ["X-SFTPGo-User"])
    assert Video.objects.count() == 0


@pytest.mark.parametrize("status", [Status.SUSPENDED, Status.PENDING, Status.DELETED])
def test_a_named_member_must_be_active(alice, hook, status):
    User.objects.filter(pk=alice.member.pk).update(status=status)

    refused = hook.post(REGISTER, FILE, **ALICE)

    assert (refused.status_code, refused.json()["code"]) == (403, "member_suspended")
    assert Video.objects.count() == 0


def test_staff_are_named_by_nobody(hook):
    root = make.staff()
    User.objects.filter(pk=root.pk).update(sftpgo_username="wp-alice")

    assert hook.post(REGISTER, FILE, **ALICE).status_code == 422


@pytest.mark.parametrize("name", ["wp-alice", "wp-bob", ""])
def test_a_members_key_names_nobody_not_even_its_own_member(alice, name):
    refused = alice.post(REGISTER, FILE, **{"X-SFTPGo-User": name})

    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert "X-SFTPGo-User" in refused.json()["detail"]
    assert Video.objects.count() == 0


def test_a_services_key_needs_the_scope_of_hooks(alice):
    other = Caller(alice.member, hook_key("videos:write", "jobs:work"))

    refused = other.post(REGISTER, FILE, **ALICE)

    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    assert "hooks:sftpgo" in refused.headers["WWW-Authenticate"]


def test_neither_admin_token_nor_session_names_a_member(alice, admin_api, client):
    client.force_login(make.staff(), backend="accounts.backends.StaffBackend")

    for someone, code in ((admin_api, "invalid_key"), (client, "missing_key")):
        refused = sent(someone, REGISTER, FILE, ALICE)
        assert (refused.status_code, refused.json()["code"]) == (401, code)
