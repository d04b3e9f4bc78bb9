"""POST /api/v1/hooks/sftpgo: what is there is registered, whatever is odd is a 4xx."""

import json

import pytest
from django.utils import timezone

from accounts.models import Status, User
from events.models import Event
from tests import make
from tests.apikeys.calls import client
from tests.videos import sftpgo
from tests.videos.sftpgo import event, files, hook_client, post, renamed, used
from videos.models import ProcessingJob, Source, Video
from videos.services.registering import register
from videos.sftpgo import KNOWN

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(db):
    return hook_client()


@pytest.fixture
def alice(db):
    return sftpgo.member()


def tell(api, body):
    answer = post(api, body)
    assert answer.status_code == 200, answer.content
    return answer.json()


def refusal(api, body):
    answer = post(api, body)
    return answer.status_code, answer.json()["code"]


def test_an_upload_is_a_video_of_its_member(api, alice):
    told = tell(api, event("upload", "/film/a.mp4", file_size=40))

    video = Video.objects.get()
    assert told == {"status": "done", "video": str(video.pk), "over_quota": False}
    assert (video.owner, video.path, video.name, video.size) == (alice, "/film/a.mp4", "a.mp4", 40)
    assert (video.source, video.location) == (Source.SFTPGO, "/data/alice/film/a.mp4")
    assert used(alice) == 40
    assert ProcessingJob.objects.filter(video=video).count() == 1


def test_what_is_gone_is_over_no_quota(api, alice):
    first, late = (event("upload", "/a", file_size=101) for _ in range(2))
    tell(api, first)
    tell(api, event("delete", "/a", file_size=101))

    assert tell(api, late)["over_quota"] is False


def test_the_same_bytes_again_have_no_effect(api, alice):
    first, gone = event("upload", "/a", file_size=40), event("delete", "/a", file_size=40)

    words = [tell(api, body)["status"] for body in (first, first, gone, first, gone)]

    assert words == ["done", "duplicate", "done", "duplicate", "duplicate"]
    assert (files(alice), used(alice)) == ({}, 0)
    assert Video.objects.count() == 1


def test_a_file_of_no_bytes_has_no_size_in_the_body(api, alice):
    body = event("upload", "/empty", file_size=0)
    assert "file_size" not in body

    tell(api, body)

    assert files(alice) == {"/empty": 0}


def test_what_is_there_is_registered_also_where_it_does_not_fit(api, alice):
    told = tell(api, event("upload", "/a", file_size=101))

    assert told["over_quota"] is True
    assert (files(alice), used(alice)) == ({"/a": 101}, 101)


@pytest.mark.parametrize("status", [Status.SUSPENDED, Status.DELETED])
def test_no_member_loses_what_came_while_they_left(api, alice, status):
    User.objects.filter(pk=alice.pk).update(status=status)

    tell(api, event("upload", "/a", file_size=7))

    assert (files(alice), used(alice)) == ({"/a": 7}, 7)


@pytest.mark.parametrize("status", [2, 3])
def test_what_did_not_arrive_whole_is_not_registered(api, alice, status):
    assert tell(api, event("upload", "/a", file_size=7, status=status)) == {"status": "ignored"}

    assert files(alice) == {}


def test_an_overwritten_file_counts_its_difference(api, alice):
    for size in (40, 90, 10):
        tell(api, event("upload", "/a", file_size=size))
        assert (files(alice), used(alice)) == ({"/a": size}, size)
    assert Video.objects.count() == 1


def test_space_comes_back_once_and_the_file_is_gone(api, alice):
    tell(api, event("upload", "/a", file_size=40))
    for _ in range(2):
        tell(api, event("delete", "/a", file_size=40))

    video = Video.objects.get()
    assert used(alice) == 0
    assert video.deleted_at is not None
    assert video.file_gone
    assert set(ProcessingJob.objects.values_list("state", flat=True)) == {"cancelled"}


@pytest.mark.parametrize(
    "after",
    [event("delete", "/a"), event("upload", "/a", file_size=1), renamed("/a", "/b"),
     renamed("/b", "/a")],
)  # fmt: skip
def test_what_was_deleted_here_cannot_come_back_without_its_file(api, alice, after):
    video = register(alice, "/a", 7, source=Source.REST, actor="test").video
    Video.objects.filter(pk=video.pk).update(deleted_at=video.created_at)

    tell(api, {**after, "timestamp": after["timestamp"] + 10**12})

    assert Video.objects.get(pk=video.pk).file_gone


def test_a_renamed_file_is_the_same_video(api, alice):
    video = tell(api, event("upload", "/a.mp4", file_size=40))["video"]
    tell(api, event("upload", "/b.mp4", file_size=30))

    tell(api, renamed("/a.mp4", "/b.mp4"))

    kept = Video.objects.get(deleted_at=None)
    assert (str(kept.pk), kept.path, kept.name) == (video, "/b.mp4", "b.mp4")
    assert (kept.location, used(alice)) == ("/data/alice/b.mp4", 40)


def test_a_given_name_outlives_the_files(api, alice):
    tell(api, event("upload", "/a.mp4", file_size=40))
    Video.objects.update(name="My holidays")

    tell(api, renamed("/a.mp4", "/b.mp4"))

    assert Video.objects.get().name == "My holidays"


def test_a_renamed_directory_takes_all_below_along_in_one_statement(
    api, alice, django_assert_max_num_queries
):
    for number in range(30):
        tell(api, event("upload", f"/d_%/sub/{number}", file_size=1))
    tell(api, event("upload", "/d_%x/other", file_size=1))

    with django_assert_max_num_queries(25):
        tell(api, renamed("/d_%", "/e"))

    moved = {f"/e/sub/{number}": 1 for number in range(30)}
    assert files(alice) == {**moved, "/d_%x/other": 1}
    there = set(Video.objects.values_list("location", flat=True))
    assert there == {f"/data/alice{path}" for path in files(alice)}


def test_a_path_that_would_be_too_long_moves_nothing(api, alice):
    deep = "/d" + "/x" * 400
    tell(api, event("upload", deep, file_size=1))

    assert refusal(api, renamed("/d", "/" + "/".join(["long" * 30] * 5))) == (422, "invalid_input")
    assert files(alice) == {deep: 1}


def test_a_copy_is_a_file_more(api, alice):
    tell(api, event("upload", "/a", file_size=7))
    tell(api, event("copy", "/a", virtual_target_path="/b", file_size=7))

    assert (files(alice), used(alice)) == ({"/a": 7, "/b": 7}, 14)
    assert Video.objects.get(path="/b").location == "/data/alice/b"


def test_a_late_word_of_a_deletion_spares_what_was_registered_since(api, alice):
    late = event("delete", "/a")
    register(alice, "/a", 7, source=Source.REST, actor="test")

    tell(api, late)
    assert files(alice) == {"/a": 7}
    tell(api, event("delete", "/a", timestamp=int(timezone.now().timestamp() * 10**9)))
    assert files(alice) == {}


def test_a_time_that_cannot_be_is_now(api, alice):
    tell(api, event("upload", "/a", file_size=7, timestamp=2**63 - 1))
    tell(api, event("delete", "/a", timestamp=2**63 - 1))

    assert files(alice) == {}


def test_words_without_a_time_are_taken_each_time(api, alice):
    came, gone = event("upload", "/a", file_size=7), event("delete", "/a")
    for body in (came, gone):
        del body["timestamp"]

    for body in (came, gone, came):
        tell(api, body)

    assert (files(alice), used(alice)) == ({"/a": 7}, 7)


def test_a_file_of_nobody_is_kept_with_the_name_it_came_under(api, alice):
    tell(api, event("upload", "/a", "carol", file_size=7))
    tell(api, event("upload", "/a", "c" * 200, file_size=8))

    carol, other = Video.objects.filter(owner=None).order_by("size")
    assert (carol.owner_label, carol.path, carol.location) == ("carol", "/a", "/data/carol/a")
    assert len(other.owner_label) == 60
    assert used(alice) == 0


@pytest.mark.parametrize("action", ["mkdir", "rmdir", "download", "pre-download", "pre-delete",
                                    "ssh_cmd", "something new"])  # fmt: skip
def test_what_changes_no_file_is_taken_and_ignored(api, alice, action):
    """SFTPGo refuses a deletion whose pre-delete hook does not answer 200."""
    tell(api, event("upload", "/a", file_size=7))

    assert tell(api, event(action, "/a")) == {"status": "ignored"}
    assert files(alice) == {"/a": 7}


ODD = [
    b"", b"[]", b"null", b"7", b"{", b"\xff", b"{}", b"[" * 60_000,
    b'{"action": "upload", "n": ' + b"9" * 5000 + b"}",
    *(json.dumps({"action": action, **given}).encode()
      for action in sorted(KNOWN)
      for given in ({}, {"username": "alice"}, {"username": 7, "virtual_path": "/a"},
                    {"username": "a\0", "virtual_path": "/a"}, {"username": "alice", "path": []},
                    {"username": "\ud800", "virtual_path": "/a"},
                    {"username": "alice", "virtual_path": "/\ud800"},
                    {"username": "alice", "virtual_path": {"a": 1}})),
    *(json.dumps({"action": "upload", "username": "alice", "virtual_path": "/a", **given}).encode()
      for given in ({"file_size": -1}, {"file_size": "7"}, {"file_size": 1.5}, {"file_size": True},
                    {"file_size": 2**50 + 1}, {"status": "1"}, {"timestamp": -1},
                    {"timestamp": [1]}, {"path": "x" * 2049}, {"path": 7})),
    json.dumps({"action": 7}).encode(), json.dumps({"action": "x" * 65}).encode(),
]  # fmt: skip


@pytest.mark.parametrize("body", ODD, ids=range(len(ODD)))
def test_an_odd_body_is_the_senders_fault(api, alice, body):
    assert refusal(api, body) == (422, "invalid_input")
    assert files(alice) == {}


def test_a_huge_body_is_not_read(api, alice):
    assert refusal(api, b" " * 70_000)[0] == 413


def test_only_a_key_for_it_is_let_in(alice, api):
    body = event("upload", "/a", file_size=7)

    assert refusal(client("x"), body) == (401, "invalid_key")
    for secret in (make.key(alice).secret, make.service_key("issuer").secret):
        assert refusal(client(secret), body) == (403, "insufficient_scope")
    assert files(alice) == {}


def test_each_step_is_recorded(api, alice):
    tell(api, event("upload", "/d/a", file_size=7))
    tell(api, event("upload", "/d/a", file_size=8))
    tell(api, renamed("/d/a", "/d/b"))
    tell(api, renamed("/d", "/e"))
    tell(api, event("delete", "/e/b"))

    found = Event.objects.filter(kind__startswith="video:").order_by("occurred_at")
    assert [(row.kind, row.actor) for row in found] == [
        (f"video:{word}", "sftpgo")
        for word in ("registered", "replaced", "updated", "updated", "deleted")
    ]
