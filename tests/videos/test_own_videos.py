"""/api/v1/videos: a member lists, renames, deletes and restores its own videos."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Status, User
from events.models import Event
from momentry.common.errors import MomentryError
from tests.apikeys.calls import pointers
from tests.videos.library import VIDEOS, caller, holder, names, used, video
from videos.models import JobState, ProcessingJob, StepState, Video
from videos.services import library
from videos.services.jobs import cancel_open, create_job

pytestmark = pytest.mark.django_db
NAME = {"name": "Holidays"}


@pytest.fixture
def alice():
    return holder()


def kinds(kind):
    return Event.objects.filter(kind=kind).count()


def test_a_list_is_newest_first_with_each_videos_newest_job(alice):
    first, second = video(alice, "a.mp4"), video(alice, "b.mp4")
    again = create_job(first, ["ocr"])

    rows = caller(alice).get(VIDEOS).json()["results"]

    assert [row["id"] for row in rows] == [str(second.pk), str(first.pk)]
    assert [len(row["job"]["steps"]) for row in rows] == [6, 1]
    assert rows[1]["job"]["id"] == str(again.pk)
    assert "result" not in rows[0]["job"]["steps"][0]


def test_a_video_is_shown_with_its_job_and_its_owners_storage(alice):
    User.objects.update(quota_daily=50)
    made = video(alice)

    answer = caller(alice).get(f"{VIDEOS}/{made.pk}")

    body = answer.json()
    assert answer.headers["ETag"] == '"1"'
    assert (body["path"], body["size"], body["job"]["state"]) == ("/a.mp4", 10, "queued")
    assert body["storage"]["quota"] == 100
    assert body["storage"]["used"] == 10
    assert set(body) >= {"deleted_at", "over_quota", "source", "sha256"}
    assert not set(body) & {"owner", "location", "owner_label"}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=HOLI", ["holiday.mp4"]),
        ("q=/clips/", ["c.mp4"]),
        ("q=%25", []),
        ("source=sftpgo", ["c.mp4"]),
        ("state=cancelled", ["c.mp4"]),
        ("state=queued", ["b.mp4", "holiday.mp4"]),
        ("state=done", []),
        ("deleted=true", ["gone.mp4"]),
        ("ordering=name", ["b.mp4", "c.mp4", "holiday.mp4"]),
        ("ordering=-size", ["holiday.mp4", "c.mp4", "b.mp4"]),
        ("ordering=created_at", ["holiday.mp4", "b.mp4", "c.mp4"]),
        ("created_after=2999-01-01", []),
        ("created_before=2001-01-01T00:00:00Z", []),
        ("created_after=2001-01-01&created_before=2999-01-01&ordering=size&page_size=1&page=2",
         ["c.mp4"]),
    ],
)  # fmt: skip
def test_filters_and_orderings(alice, query, found):
    video(alice, "holiday.mp4", 30)
    video(alice, "b.mp4", 10)
    clip = video(alice, "c.mp4", 20, path="/clips/1.mp4", source="sftpgo")
    cancel_open(clip, "test")
    gone = video(alice, "gone.mp4")
    library.delete_video(gone.pk, actor="test")

    assert names(caller(alice).get(f"{VIDEOS}?{query}")) == found


def test_only_the_newest_job_says_the_state(alice):
    made = video(alice)
    cancel_open(made, "test")
    create_job(made)

    me = caller(alice)

    assert names(me.get(f"{VIDEOS}?state=cancelled")) == []
    assert names(me.get(f"{VIDEOS}?state=queued")) == ["a.mp4"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("owner=1", "?owner"), ("state=odd", "?state"), ("ordering=owner", "?ordering"),
        ("ordering=path", "?ordering"), ("q=a&q=b", "?q"), ("created_after=now", "?created_after"),
        ("deleted=perhaps", "?deleted"), ("source=1", "?source"), ("page_size=101", "?page_size"),
        ("over_quota=true", "?over_quota"), ("q=" + "x" * 129, "?q"),
        ("owner__email=a", "?owner__email"),
        ("ordering=-owner__password", "?ordering"), ("deleted_at__isnull=1", "?deleted_at__isnull"),
    ],
)  # fmt: skip
def test_what_is_no_filter_is_refused(alice, query, pointer):
    assert pointers(caller(alice).get(f"{VIDEOS}?{query}")) == [pointer]


def test_a_part_of_a_name_is_sought_among_the_newest_only(alice, monkeypatch):
    monkeypatch.setattr("videos.reading.SEARCHED", 2)
    for name in ("a1.mp4", "a2.mp4", "b.mp4"):
        video(alice, name)

    assert names(caller(alice).get(f"{VIDEOS}?q=a")) == ["a2.mp4"]


def test_a_rename_changes_the_name_only(alice):
    made = video(alice)
    me = caller(alice)

    answer = me.patch(f"{VIDEOS}/{made.pk}", NAME, headers={"If-Match": '"1"'})

    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    assert (answer.json()["name"], answer.json()["path"]) == ("Holidays", "/a.mp4")
    assert kinds("video:updated") == 1
    stale = me.patch(f"{VIDEOS}/{made.pk}", {"name": "x"}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    assert Video.objects.get().name == "Holidays"


@pytest.mark.parametrize(
    "given",
    [
        {"path": "/b"}, {"size": 1}, {"owner": None}, {"owner_id": 1}, {"over_quota": True},
        {"deleted_at": None}, {"version": 9}, {"sha256": ""}, {"location": "/etc"}, {"source": "x"},
        {"file_gone": True}, {"created_at": "2001-01-01"}, {"id": "x"}, {"job": {}},
        {"anyway": True},
    ],
)  # fmt: skip
def test_nothing_else_can_be_written(alice, given):
    made = video(alice)
    before = Video.objects.values().get()

    answer = caller(alice).patch(f"{VIDEOS}/{made.pk}", {**NAME, **given})

    assert pointers(answer) == [f"#/{next(iter(given))}"]
    assert Video.objects.values().get() == before


@pytest.mark.parametrize(
    "body", [{}, {"name": ""}, {"name": None}, {"name": ["x"]}, {"name": "x" * 256}, [], "x", 1]
)
def test_odd_names_are_refused(alice, body):
    made = video(alice)

    answer = caller(alice).patch(f"{VIDEOS}/{made.pk}", body)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


def test_a_deletion_gives_its_space_back_once_and_ends_its_work(alice):
    made, me = video(alice, size=60), caller(alice)

    answers = [me.delete(f"{VIDEOS}/{made.pk}") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 204]
    assert used(alice) == 0
    assert kinds("video:deleted") == 1
    assert names(me.get(VIDEOS)) == []
    assert ProcessingJob.objects.get().state == JobState.CANCELLED
    assert me.get(f"{VIDEOS}/{made.pk}").json()["deleted_at"]


def test_a_deletion_of_another_version_is_refused(alice):
    made = video(alice)

    answer = caller(alice).delete(f"{VIDEOS}/{made.pk}", headers={"If-Match": '"7"'})

    assert answer.status_code == 412
    assert used(alice) == 10


def test_a_restored_video_takes_its_space_again_and_is_processed(alice):
    made, me = video(alice, size=60), caller(alice)
    made.jobs.get().steps.filter(processor="asr").update(state=StepState.DONE)
    me.delete(f"{VIDEOS}/{made.pk}")

    answers = [me.post(f"{VIDEOS}/{made.pk}/restore") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert (used(alice), kinds("video:restored")) == (60, 1)
    steps = [step["processor"] for step in answers[0].json()["job"]["steps"]]
    assert steps == ["cut", "face", "ocr", "pose", "yolo"]


def test_what_does_not_fit_any_more_is_not_restored(alice):
    made, me = video(alice, size=60), caller(alice)
    me.delete(f"{VIDEOS}/{made.pk}")
    video(alice, "b.mp4", 41)

    answer = me.post(f"{VIDEOS}/{made.pk}/restore")

    assert (answer.status_code, answer.json()["code"]) == (403, "storage_quota_exceeded")
    assert [answer.json()[name] for name in ("quota", "used", "requested")] == [100, 41, 60]
    assert (used(alice), Video.objects.filter(deleted_at=None).count()) == (41, 1)


def restore_refused(alice, made):
    answer = caller(alice).post(f"{VIDEOS}/{made.pk}/restore")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert used(alice) == sum(Video.objects.filter(deleted_at=None).values_list("size", flat=True))
    return True


def test_what_cannot_be_restored_says_so(alice, settings):
    gone, old, replaced = (video(alice, name) for name in ("gone", "old", "replaced"))
    library.delete_video(gone.pk, actor="test", file_gone=True)
    for made in (old, replaced):
        library.delete_video(made.pk, actor="test")
    Video.objects.filter(pk=old.pk).update(deleted_at=timezone.now() - settings.VIDEO_PURGE_AFTER)
    video(alice, "replaced")

    assert all(restore_refused(alice, made) for made in (gone, old, replaced))


def test_a_file_that_goes_after_its_video_cannot_come_back(alice):
    made = video(alice)
    library.delete_video(made.pk, actor="test")

    assert library.delete_video(made.pk, actor="test", file_gone=True) is False
    assert used(alice) == 0
    assert restore_refused(alice, made)


def test_up_to_the_purge_it_can_be_restored(alice, settings):
    made = video(alice)
    library.delete_video(made.pk, actor="test")
    almost = timezone.now() - settings.VIDEO_PURGE_AFTER + timedelta(minutes=1)
    Video.objects.update(deleted_at=almost)

    assert caller(alice).post(f"{VIDEOS}/{made.pk}/restore").status_code == 200


def test_nobody_restores_for_a_member_who_is_not_active(alice):
    made = video(alice)
    library.delete_video(made.pk, actor="test")
    User.objects.filter(pk=alice.pk).update(status=Status.SUSPENDED)

    with pytest.raises(MomentryError, match="member_suspended"):
        library.restore_video(made.pk, actor="test")
    assert used(alice) == 0
