"""register(): one row for a member's file, its bytes counted once, whatever is told again."""

import pytest
from django.db import transaction

from accounts.models import Status, User
from accounts.services import storage
from events.models import Event
from momentry.common.errors import MomentryError
from tests import make
from videos.models import JobState, ProcessingJob, Source, Upload, UploadState, Video
from videos.services import registering

pytestmark = pytest.mark.django_db

A, B = "a" * 64, "b" * 64


@pytest.fixture
def member():
    made = make.member()
    User.objects.filter(pk=made.pk).update(quota_size=100)
    return made


def register(member, path="/a.mp4", size=40, **given):
    given = {"source": Source.REST, "actor": "test", **given}
    return registering.register(member, path, size, **given)


def figures(member):
    return storage.storage_of(member.pk)[1:]


def kinds():
    return list(Event.objects.filter(kind__startswith="video:").values_list("kind", flat=True))


def refused(code, *given, **more):
    with pytest.raises(MomentryError) as found:
        register(*given, **more)
    assert found.value.code.code == code
    return found.value.extra


def test_a_file_becomes_a_video_with_a_job_of_all_processors(member):
    video, job, created = register(member, "/film/a.mp4", 100, location="/data/alice/film/a.mp4")

    assert created
    video.refresh_from_db()
    assert (video.owner, video.path, video.size) == (member, "/film/a.mp4", 100)
    assert (video.name, video.location) == ("a.mp4", "/data/alice/film/a.mp4")
    assert (job.video, job.owner_id, job.kind) == (video, member.pk, "auto_ingestion")
    found = sorted(job.steps.values_list("processor", flat=True))
    assert found == ["asr", "cut", "face", "ocr", "pose", "yolo"]
    assert figures(member) == (100, 0)
    assert kinds() == ["video:registered"]


def test_the_same_file_told_again_is_the_same_video_and_nothing_is_counted(member):
    video, job, _ = register(member, sha256=A)

    for said in (A, ""):
        assert register(member, sha256=said) == (video, job, False)
    assert figures(member) == (40, 0)
    assert kinds() == ["video:registered"]


def test_what_was_not_known_is_kept_when_it_is_told(member):
    register(member)

    video = register(member, sha256=A, location="/data/a.mp4").video

    assert (video.sha256, video.version, figures(member)) == (A, 2, (40, 0))
    assert sorted(kinds()) == ["video:registered", "video:updated"]
    assert register(member, size=41).video.location == "/data/a.mp4"


@pytest.mark.parametrize(("size", "sha256"), [(100, A), (10, A), (40, B), (0, "")])
def test_another_file_at_the_path_replaces_it_by_the_difference(member, size, sha256):
    video, old, _ = register(member, sha256=A)
    Video.objects.update(hashed_bytes=40, hashed_at=video.created_at)

    again = register(member, size=size, sha256=sha256, processors=["asr"])

    assert (again.video.pk, again.created) == (video.pk, False)
    assert again.job != old
    old.refresh_from_db()
    assert old.state == JobState.CANCELLED
    row = Video.objects.get()
    assert (row.size, row.sha256, row.hashed_bytes, row.hashed_at) == (size, sha256, 0, None)
    assert figures(member) == (size, 0)
    assert sorted(kinds()) == ["video:registered", "video:replaced"]


def test_a_larger_file_must_fit_and_nothing_is_written_when_it_does_not(member):
    register(member)
    before = Event.objects.count()

    told = refused("storage_quota_exceeded", member, size=101)
    assert told == {"quota": 100, "used": 40, "reserved": 0, "requested": 61}
    refused("storage_quota_exceeded", member, "/b.mp4", 61)

    assert Video.objects.get().size == 40
    assert ProcessingJob.objects.count() == 1
    assert (figures(member), Event.objects.count()) == ((40, 0), before)


def test_what_is_there_already_is_registered_and_flagged(member):
    register(member)

    over = register(member, "/b.mp4", 61, anyway=True)
    assert over.video.over_quota
    assert figures(member) == (101, 0)

    fits = register(member, "/b.mp4", 60)
    assert not fits.video.over_quota
    assert figures(member) == (100, 0)


def test_less_may_still_be_over_and_is_then_flagged_on(member):
    register(member, size=500, anyway=True)

    assert register(member, size=200).video.over_quota
    assert not register(member, size=100).video.over_quota


def test_who_is_over_by_others_gets_no_flag_for_a_file_that_shrinks(member):
    register(member)
    User.objects.filter(pk=member.pk).update(quota_size=10)

    assert not register(member, size=30).video.over_quota
    assert register(member, size=50, anyway=True).video.over_quota


@pytest.mark.parametrize("status", [Status.SUSPENDED, Status.PENDING, Status.DELETED])
def test_only_active_members_register_but_what_is_there_is_theirs(member, status):
    register(member)
    User.objects.filter(pk=member.pk).update(status=status)

    refused("member_suspended", member)
    refused("member_suspended", member, "/b.mp4", 0)
    assert register(member, "/b.mp4", 1, anyway=True).created


def test_staff_have_no_videos():
    staff = make.staff()

    refused("member_suspended", staff)
    refused("member_suspended", staff, size=0)


def test_a_deleted_video_leaves_its_path_free(member):
    first = register(member).video
    Video.objects.update(deleted_at=first.created_at)

    assert register(member).created
    assert Video.objects.count() == 2


def test_one_path_is_another_file_for_another_member(member):
    first, second = register(member), register(make.member("bob"))

    assert second.created
    assert first.video != second.video
    assert register(member).video == first.video
    register(second.video.owner, "/b.mp4")
    assert register(member, "/b.mp4").created


def test_processors_are_those_that_are_named_and_known(member):
    job = register(member, processors=["ocr", "asr", "ocr"]).job
    assert sorted(job.steps.values_list("processor", flat=True)) == ["asr", "ocr"]

    told = refused("invalid_input", member, "/b.mp4", processors=["ocr", "smell"])
    assert told["errors"][0]["pointer"] == "#/processors/1"
    assert not Video.objects.filter(path="/b.mp4").exists()


def test_room_that_was_kept_for_the_file_becomes_the_files(member):
    kept = keep(member, "/a.mp4", 70)
    keep(member, "/b.mp4", 30)

    video = register(member, size=70, anyway=True).video

    kept.refresh_from_db()
    assert (kept.state, kept.video) == (UploadState.COMMITTED, video)
    assert not video.over_quota
    assert figures(member) == (70, 30)


def test_a_file_larger_than_its_room_takes_only_what_is_left(member):
    keep(member, "/a.mp4", 70)

    refused("storage_quota_exceeded", member, size=101)
    assert figures(member) == (0, 70)
    register(member, size=100)
    assert figures(member) == (100, 0)


def test_room_kept_for_a_known_file_is_given_back(member):
    register(member)
    keep(member, "/a.mp4", 50)

    assert not register(member).created
    assert figures(member) == (40, 0)


def test_room_that_was_given_up_is_no_room_of_the_file(member):
    keep(member, "/a.mp4", 30)
    Upload.objects.update(state=UploadState.RELEASED)  # what it kept is the other's from here on
    Upload.objects.create(owner=member, path="/b.mp4", size=30, expires_at=member.created_at)

    register(member)

    assert figures(member) == (40, 30)
    assert Upload.objects.get(path="/a.mp4").state == UploadState.RELEASED


def keep(member, path, size):
    with transaction.atomic():
        storage.reserve(member.pk, size)
        expires_at = member.created_at
        return Upload.objects.create(owner=member, path=path, size=size, expires_at=expires_at)


def test_a_file_without_an_owner_is_known_by_its_location():
    given = {"location": "/data/x/a.mp4", "source": Source.IMPORT}
    first = register(None, **given)

    assert first.created
    assert not register(None, **given).created
    assert register(None, size=41, **given).video == first.video
    assert register(None, **{**given, "location": "/data/y/a.mp4"}).created
    assert (Video.objects.count(), first.video.owner) == (2, None)
