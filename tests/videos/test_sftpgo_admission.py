"""pre-upload: may this upload begin? Anything but 200 refuses it."""

import pytest
from django.db import OperationalError
from django.utils import timezone

from accounts.models import Status, User
from accounts.services import storage
from tests.videos import sftpgo
from tests.videos.sftpgo import event, hook_client, post
from videos.models import Upload, Video
from videos.services import hooks

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(db):
    return hook_client()


@pytest.fixture
def alice(db):
    return sftpgo.member()


def ask(api, path="/a", username="alice"):
    answer = post(api, event("pre-upload", path, username))
    return (answer.status_code, answer.json().get("code", answer.json().get("status")))


def test_an_upload_may_begin_until_the_storage_is_full(api, alice):
    assert ask(api) == (200, "allowed")
    User.objects.filter(pk=alice.pk).update(quota_used=99)
    assert ask(api) == (200, "allowed")
    User.objects.filter(pk=alice.pk).update(quota_used=100)
    assert ask(api) == (403, "storage_quota_exceeded")
    User.objects.filter(pk=alice.pk).update(quota_size=None)
    assert ask(api) == (200, "allowed")
    assert Video.objects.count() == 0


def test_what_is_kept_for_a_file_lets_that_file_begin(api, alice):
    ends = timezone.now() + timezone.timedelta(hours=1)
    Upload.objects.create(owner=alice, path="/kept", size=100, expires_at=ends)
    storage.reserve(alice.pk, 100)

    assert ask(api) == (403, "storage_quota_exceeded")
    assert ask(api, "/kept") == (200, "allowed")


def test_no_upload_begins_for_whoever_is_no_active_member(api, alice):
    User.objects.filter(pk=alice.pk).update(status=Status.SUSPENDED)

    assert ask(api) == (403, "member_suspended")
    assert ask(api, username="carol") == (403, "permission_denied")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"status": Status.PENDING}, "member_suspended"),
        ({"status": Status.DELETED}, "member_suspended"),
        ({"is_staff": True}, "permission_denied"),
    ],
)
def test_nor_for_who_waits_or_is_gone_or_works_here(api, alice, given, code):
    User.objects.filter(pk=alice.pk).update(**given)

    assert ask(api) == (403, code)


def test_room_whose_time_is_over_lets_nothing_begin(api, alice):
    Upload.objects.create(owner=alice, path="/kept", size=100, expires_at=timezone.now())
    storage.reserve(alice.pk, 100)

    assert ask(api, "/kept") == (403, "storage_quota_exceeded")


@pytest.mark.parametrize("path", ["/a/../b", "/a\\b", "/a\nb", "/" + "x" * 256, "/a//b", "/a/"])
def test_no_upload_begins_under_a_name_that_cannot_be_kept(api, alice, path):
    assert ask(api, path) == (422, "invalid_input")


def test_a_database_that_is_away_refuses_the_upload(api, alice, monkeypatch):
    def away(*_):
        raise OperationalError("gone")

    monkeypatch.setattr(hooks, "check_admission", away)
    assert ask(api) == (503, "database_unavailable")
