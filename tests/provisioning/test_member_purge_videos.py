"""What becomes of a purged member's videos: MEMBER_PURGE_VIDEOS."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from accounts.services import storage
from events.models import Event
from momentry.common.env import ConfigurationError, Environment
from momentry.common.errors import MomentryError
from momentry.purges import LeftVideos, read_purges
from provisioning.services import members
from tests.videos.library import holder, used, video
from videos.models import JobState, ProcessingJob, Upload, Video
from videos.services import library
from videos.services.purge import purge_videos

pytestmark = pytest.mark.django_db
MONTH = timedelta(days=30)
ACTOR = {"actor": "test"}


@pytest.fixture
def alice():
    """Deleted, with two videos, a deleted one, and one on its way."""
    alice = holder("alice")
    for name in ("a.mp4", "b.mp4", "gone.mp4"):
        video(alice, name, 10, location=f"/data/alice/{name}")
    library.delete_video(Video.objects.get(name="gone.mp4").pk, **ACTOR)
    Upload.objects.create(owner=alice, path="/c", size=5, expires_at=timezone.now() + MONTH)
    User.objects.filter(pk=alice.pk).update(quota_reserved=5)
    members.delete_member(alice, **ACTOR)
    return alice


def purge():
    return members.purge_members(timezone.now() + MONTH, MONTH, **ACTOR)


def left(owner):
    return sorted(Video.objects.filter(owner=owner).values_list("name", flat=True))


def test_they_are_kept_without_an_owner(alice):
    assert purge() == 1

    assert left(None) == ["a.mp4", "b.mp4", "gone.mp4"]
    assert set(Video.objects.values_list("owner_label", flat=True)) == {"alice"}
    assert set(ProcessingJob.objects.values_list("owner", flat=True)) == {None}
    assert ProcessingJob.objects.filter(state=JobState.QUEUED).count() == 2
    assert storage.storage_of(alice.pk)[1:] == (0, 0)
    assert Upload.objects.get().state == "released"
    event = Event.objects.get(kind="video:reassigned")
    assert (event.subject, '"videos": 3' in str(event.details)) == (f"member:{alice.pk.hex}", True)


def test_of_two_rows_for_one_file_the_members_goes(alice):
    imported = video(None, "a.mp4", location="/data/alice/a.mp4")

    assert purge() == 1

    live = Video.objects.filter(location="/data/alice/a.mp4", deleted_at=None)
    assert live.get() == imported


def test_they_go_to_a_member_named(alice, settings):
    settings.MEMBER_PURGE_VIDEOS = LeftVideos("reassign", "BOB")
    bob = holder("bob", quota=30)
    own = video(bob, "a.mp4", 10)

    assert purge() == 1

    assert left(bob) == ["a.mp4", "a.mp4", "b.mp4", "gone.mp4"]
    assert [used(bob), used(alice)] == [30, 0]
    paths = set(Video.objects.filter(deleted_at=None).values_list("path", flat=True))
    second = Video.objects.filter(name="a.mp4").exclude(pk=own.pk).get()
    assert paths == {"/a.mp4", "/b.mp4", f"/{second.pk}/a.mp4"}
    assert not Video.objects.filter(over_quota=True).exists()
    assert set(ProcessingJob.objects.values_list("owner", flat=True)) == {bob.pk}


def test_what_does_not_fit_goes_all_the_same_and_says_so(alice, settings):
    settings.MEMBER_PURGE_VIDEOS = LeftVideos("reassign", "bob")
    bob = holder("bob", quota=19)

    assert purge() == 1

    assert used(bob) == 20
    over = Video.objects.filter(over_quota=True).values_list("name", flat=True)
    assert sorted(over) == ["a.mp4", "b.mp4"]


def test_nobody_is_purged_while_the_heir_is_not_there(alice, settings):
    settings.MEMBER_PURGE_VIDEOS = LeftVideos("reassign", "bob")

    with pytest.raises(MomentryError, match="MEMBER_PURGE_VIDEOS_OWNER"):
        purge()

    assert User.objects.get(pk=alice.pk).username == "alice"
    assert used(alice) == 20


def test_they_are_deleted_and_end_with_the_nightly_purge(alice, settings):
    settings.MEMBER_PURGE_VIDEOS = LeftVideos("delete", "")

    assert purge() == 1

    assert not Video.objects.filter(deleted_at=None).exists()
    assert set(ProcessingJob.objects.values_list("state", flat=True)) == {JobState.CANCELLED}
    assert storage.storage_of(alice.pk)[1:] == (0, 0)
    assert purge_videos(timezone.now() + MONTH, MONTH, **ACTOR) == 3


def test_a_member_without_videos_leaves_no_trace_of_them(settings):
    alice = holder()
    members.delete_member(alice, **ACTOR)

    assert purge() == 1
    assert not Event.objects.filter(kind__startswith="video:").exists()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"MEMBER_PURGE_VIDEOS": "burn"}, "MEMBER_PURGE_VIDEOS"),
        ({"MEMBER_PURGE_VIDEOS": "reassign"}, "MEMBER_PURGE_VIDEOS_OWNER"),
        ({"MEMBER_PURGE_VIDEOS_OWNER": "bob"}, "MEMBER_PURGE_VIDEOS_OWNER"),
        ({"VIDEO_PURGE_DAYS": "0"}, "VIDEO_PURGE_DAYS"),
        ({"VIDEO_PURGE_DAYS": "3651"}, "VIDEO_PURGE_DAYS"),
    ],
)
def test_settings_that_do_not_go_together_stop_the_start(given, named):
    with pytest.raises(ConfigurationError) as stopped:
        read_purges(Environment(given))

    assert stopped.value.variable == named


def test_the_usual_settings():
    assert read_purges(Environment({}))[2:] == (MONTH, LeftVideos("keep", ""))
