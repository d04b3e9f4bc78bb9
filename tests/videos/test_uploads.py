"""Upload sessions: room that is kept counts, and comes back once, however the session ends."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from momentry.common.errors import MomentryError
from provisioning.services import members
from tests.videos.calls import REGISTER, UPLOADS, caller, pointers
from videos.models import Source, Upload, UploadState, Video
from videos.services import uploads

pytestmark = pytest.mark.django_db

FILE = {"path": "/film/a.mp4", "size": 60}


@pytest.fixture
def alice():
    return caller()


def started(alice, **given):
    answer = alice.post(UPLOADS, {**FILE, **given})
    assert answer.status_code == 201, answer.content
    return answer.json()


def place(upload, verb=""):
    return f"{UPLOADS}/{upload['id']}{verb}"


def test_room_is_kept_and_shown(alice):
    answer = alice.post(UPLOADS, FILE)

    upload = answer.json()
    assert answer.headers["Location"] == place(upload)
    assert (upload["path"], upload["size"], upload["state"]) == ("/film/a.mp4", 60, "open")
    assert (upload["video"], upload["ended_at"]) == (None, None)
    assert alice.figures() == (0, 60)
    assert alice.get(place(upload)).json() == upload
    assert alice.get(UPLOADS).json()["results"] == [upload]


def test_the_same_room_is_kept_once_and_another_size_conflicts(alice):
    upload = started(alice)

    again = alice.post(UPLOADS, FILE)
    assert (again.status_code, again.json()) == (200, upload)
    other = alice.post(UPLOADS, {**FILE, "size": 61})
    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    assert alice.figures() == (0, 60)


def test_kept_room_counts_against_whatever_else_comes(alice):
    started(alice)

    for path in (UPLOADS, REGISTER):
        refused = alice.post(path, {"path": "/b.mp4", "size": 41})
        problem = refused.json()
        assert (refused.status_code, problem["code"]) == (403, "storage_quota_exceeded")
        assert (problem["used"], problem["reserved"], problem["requested"]) == (0, 60, 41)
    assert alice.post(REGISTER, {"path": "/b.mp4", "size": 40}).status_code == 201
    assert alice.figures() == (40, 60)


def test_kept_room_counts_in_the_day(alice):
    User.objects.update(quota_daily=90)
    started(alice)

    refused = alice.post(UPLOADS, {"path": "/b.mp4", "size": 31}).json()
    assert (refused["code"], refused["window"]) == ("storage_quota_exceeded", "day")
    started(alice, path="/b.mp4", size=30)


def test_of_a_file_in_kept_room_only_what_is_more_must_fit_into_the_day(alice):
    User.objects.update(quota_daily=70)
    upload = started(alice)

    assert alice.post(place(upload, "/commit"), {"size": 71}).json()["window"] == "day"
    assert alice.post(place(upload, "/commit"), {"size": 70}).status_code == 201


@pytest.mark.parametrize("size", [60, 10, 0, 100])
def test_a_commit_makes_the_video_in_the_size_that_came(alice, size):
    upload = started(alice)

    done = alice.post(place(upload, "/commit"), {"size": size, "sha256": "ab" * 32})

    video = Video.objects.get()
    assert (done.status_code, done.json()["uuid"]) == (201, str(video.pk))
    assert done.json()["job_id"] == str(video.jobs.get().pk)
    assert (video.size, video.sha256, video.source) == (size, "ab" * 32, Source.UPLOAD)
    assert alice.figures() == (size, 0)
    after = alice.get(place(upload)).json()
    assert (after["state"], after["video"]) == ("committed", str(video.pk))
    assert after["ended_at"] is not None


def test_a_commit_without_a_size_takes_what_was_kept(alice):
    upload = started(alice)

    assert alice.post(place(upload, "/commit"), {}).status_code == 201
    assert alice.figures() == (60, 0)


def test_a_commit_beyond_the_quota_leaves_the_room_as_it_was(alice):
    upload = started(alice)

    refused = alice.post(place(upload, "/commit"), {"size": 101})

    assert (refused.status_code, refused.json()["code"]) == (403, "storage_quota_exceeded")
    assert (alice.figures(), Video.objects.count()) == ((0, 60), 0)
    assert alice.get(place(upload)).json()["state"] == "open"


def test_what_was_kept_is_taken_also_where_the_quota_shrank_meanwhile(alice):
    upload = started(alice)
    User.objects.update(quota_size=10, quota_daily=5)

    assert alice.post(place(upload, "/commit"), {}).status_code == 201
    assert alice.figures() == (60, 0)


def test_a_repeated_commit_answers_the_same_and_counts_nothing(alice):
    upload = started(alice)
    first = alice.post(place(upload, "/commit"), {})

    again = alice.post(place(upload, "/commit"), {"size": 90})

    assert (again.status_code, again.json()) == (200, first.json())
    assert (alice.figures(), Video.objects.count()) == ((60, 0), 1)


def test_a_file_that_is_registered_by_its_path_ends_the_session(alice):
    upload = started(alice, size=100)

    first = alice.post(REGISTER, {**FILE, "size": 100}).json()

    assert alice.figures() == (100, 0)
    assert alice.post(place(upload, "/commit"), {}).json() == first


def test_released_room_comes_back_once(alice):
    upload = started(alice)

    for _ in range(2):
        answer = alice.post(place(upload, "/release"))
        assert (answer.status_code, answer.json()["state"]) == (200, "released")
        assert alice.figures() == (0, 0)
    refused = alice.post(place(upload, "/commit"), {})
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    started(alice)


def test_a_committed_session_is_not_released(alice):
    upload = started(alice)
    alice.post(place(upload, "/commit"), {})

    assert alice.post(place(upload, "/release")).status_code == 409
    assert alice.figures() == (60, 0)


def past():
    Upload.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


def test_room_whose_time_is_over_comes_back_once(alice, capsys):
    upload = started(alice)
    started(alice, path="/b.mp4", size=1)
    past()
    started(alice, path="/c.mp4", size=2)

    call_command("expire_uploads")
    call_command("expire_uploads")

    assert capsys.readouterr().out == "Expired 2 uploads.\nExpired 0 uploads.\n"
    assert alice.figures() == (0, 2)
    assert alice.get(place(upload)).json()["state"] == "expired"
    assert alice.post(place(upload, "/commit"), {}).status_code == 409
    assert alice.post(place(upload, "/release")).json()["state"] == "expired"


def test_the_time_is_the_settings(alice, settings):
    settings.UPLOAD_TTL = timedelta(seconds=90)

    started(alice)

    row = Upload.objects.get()
    assert timedelta(seconds=80) < row.expires_at - timezone.now() <= timedelta(seconds=90)


def test_a_session_that_nobody_ended_yet_is_still_good(alice):
    upload = started(alice)
    past()

    assert alice.post(place(upload, "/commit"), {}).status_code == 201
    assert alice.figures() == (60, 0)


def test_a_path_whose_session_is_over_can_be_kept_anew(alice):
    old = started(alice)
    past()

    new = started(alice, size=100)

    assert alice.get(place(old)).json()["state"] == "expired"
    assert (new["id"] != old["id"], alice.figures()) == (True, (0, 100))


@pytest.mark.parametrize("leave", [
    lambda member: members.suspend_member(member, reason="", actor="test"),
    lambda member: members.suspend_for_site(member, actor="test"),
    lambda member: members.delete_member(member, actor="test"),
])  # fmt: skip
def test_who_may_upload_no_more_keeps_no_room(alice, leave):
    started(alice)
    bob = caller("bob")
    started(bob)

    leave(User.objects.get(pk=alice.member.pk))

    assert Upload.objects.get(owner=alice.member).state == UploadState.RELEASED
    assert (alice.figures(), bob.figures()) == ((0, 0), (0, 60))
    with pytest.raises(MomentryError):
        uploads.start(alice.member, "/b.mp4", 1)


def test_anothers_session_answers_like_a_missing_one(alice):
    upload = started(alice)
    bob = caller("bob")

    missing = {"id": "0193a1c8-f0a7-7c8e-9d0b-7d1f2c3a4b5e"}
    for one in (upload, missing):
        answers = [bob.get(place(one)), bob.post(place(one, "/commit"), {}),
                   bob.post(place(one, "/release"))]  # fmt: skip
        assert [answer.status_code for answer in answers] == [404, 404, 404]
        assert {answer.json()["detail"] for answer in answers} == {"There is no such resource."}
    assert bob.get(UPLOADS).json()["total"] == 0
    assert alice.figures() == (0, 60)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"path": "/a"}, "#/size"), ({**FILE, "size": 0}, "#/size"),
        ({**FILE, "size": -1}, "#/size"),
        ({**FILE, "path": "/../a"}, "#/path"), ({**FILE, "state": "open"}, "#/state"),
        ({**FILE, "owner": 1}, "#/owner"), ({**FILE, "expires_at": None}, "#/expires_at"),
        ([], "#"), (None, "#"),
    ],
)  # fmt: skip
def test_odd_requests_keep_nothing(alice, body, pointer):
    refused = alice.post(UPLOADS, body)

    assert (refused.status_code, pointers(refused)) == (422, [pointer])
    assert alice.figures() == (0, 0)


@pytest.mark.parametrize("body", [{"path": "/b"}, {"size": "x"}, {"sha256": "x"}, {"video": 1}, []])
def test_odd_commits_end_nothing(alice, body):
    upload = started(alice)

    assert alice.post(place(upload, "/commit"), body).status_code == 422
    assert alice.figures() == (0, 60)


def test_lists_take_a_state_and_nothing_else(alice):
    for number in range(30):
        started(alice, path=f"/{number}", size=1)
    alice.post(place(alice.get(UPLOADS).json()["results"][0], "/release"))

    assert alice.get(f"{UPLOADS}?state=released").json()["total"] == 1
    page = alice.get(f"{UPLOADS}?page_size=2&page=2").json()
    assert [row["path"] for row in page["results"]] == ["/27", "/26"]
    for wrong in ("state=gone", "owner=1", "page=0", "state=open&state=open"):
        assert alice.get(f"{UPLOADS}?{wrong}").status_code == 422
    assert queries(alice, 30) == queries(alice, 1)


def queries(alice, size):
    with CaptureQueriesContext(connection) as found:
        alice.get(f"{UPLOADS}?page_size={size}")
    return len(found)
