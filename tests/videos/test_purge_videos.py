"""Deleted videos end VIDEO_PURGE_DAYS later, with their files; never another's file."""

import os
import threading
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from events.models import Event
from provisioning.sftpgo.config import SftpgoConfig
from tests.videos.library import holder, used, video
from videos import tasks
from videos.models import ProcessingJob, Upload, Video
from videos.services import library
from videos.services.purge import purge_videos

pytestmark = pytest.mark.django_db
MONTH = timedelta(days=30)


@pytest.fixture
def alice():
    return holder()


@pytest.fixture
def root(tmp_path, settings):
    data = tmp_path / "data"
    (data / "alice").mkdir(parents=True)
    settings.SFTPGO = SftpgoConfig(
        "http://sftpgo.example.org", "", "", "key", str(data), "/srv/data", "", 22
    )
    return data


def stored(root, owner, name="a.mp4", **given):
    """A video with its file, which is older than its deletion will be."""
    place = root / "alice" / name
    place.write_bytes(b"x" * 10)
    return video(owner, name, location=f"/srv/data/alice/{name}", **given), place


def delete(*videos):
    for each in videos:
        library.delete_video(each.pk, actor="test")


def purge(after=MONTH):
    return purge_videos(timezone.now() + after, MONTH, actor="test")


def events():
    return Event.objects.filter(kind="video:purged")


def test_a_deleted_video_goes_once_with_its_jobs_and_its_file(alice, root):
    (made, place), (other, kept) = stored(root, alice), stored(root, alice, "b.mp4")
    delete(made)

    assert [purge(MONTH - timedelta(minutes=1)), place.exists()] == [0, True]
    assert [purge(), purge()] == [1, 0]
    assert [place.exists(), kept.exists()] == [False, True]
    assert list(Video.objects.all()) == [other]
    assert ProcessingJob.objects.get().video_id == other.pk
    assert events().get().subject == f"video:{made.pk.hex}"
    assert used(alice) == 10


def test_what_was_restored_meanwhile_stays(alice, root, monkeypatch):
    made, place = stored(root, alice)
    delete(made)
    due = Video.objects.filter(pk=made.pk)
    library.restore_video(made.pk, actor="test")
    monkeypatch.setattr("videos.services.purge.purgeable", lambda *_: due)

    assert purge() == 0
    assert place.exists()


def again_live(root, alice, made, place):
    video(alice, "a.mp4", location=made.location)


def again_deleted(root, alice, made, place):
    again_live(root, alice, made, place)
    later = Video.objects.get(deleted_at=None)
    delete(later)
    Video.objects.filter(pk=later.pk).update(deleted_at=timezone.now() + MONTH)


def same_path(root, alice, made, place):
    video(alice, "a.mp4")


def coming(root, alice, made, place):
    Upload.objects.create(owner=alice, path=made.path, size=1, expires_at=timezone.now())


def written(root, alice, made, place):
    os.utime(place, (4e9, 4e9))


def renamed(root, alice, made, place):
    """As a client does that keeps the file's own time."""
    fresh = place.with_name("new")
    fresh.write_bytes(b"y")
    os.utime(fresh, (1, 1))
    Video.objects.update(deleted_at=timezone.now() - timedelta(seconds=1))
    fresh.rename(place)


def known_gone(root, alice, made, place):
    Video.objects.filter(pk=made.pk).update(file_gone=True)


def beyond(root, alice, made, place):
    """A link where its folder was."""
    place.parent.rename(root.parent / "away")
    place.parent.symlink_to(root.parent / "away")


@pytest.mark.parametrize(
    "meanwhile",
    [again_live, again_deleted, same_path, coming, written, renamed, known_gone, beyond],
)
def test_a_file_that_is_not_its_own_any_more_stays(alice, root, meanwhile):
    made, place = stored(root, alice)
    delete(made)
    meanwhile(root, alice, made, place)

    assert purge() == 1
    assert place.exists()
    assert not Video.objects.filter(pk=made.pk).exists()


def test_a_file_itself_a_link_is_left_alone_and_so_is_what_it_points_at(alice, root):
    secret = root.parent / "secret"
    secret.write_bytes(b"12345")
    link = root / "alice" / "a.mp4"
    link.symlink_to(secret)
    delete(video(alice, location="/srv/data/alice/a.mp4"))

    assert purge() == 1
    assert (secret.exists(), link.is_symlink()) == (True, True)


def test_a_folder_that_becomes_a_link_in_between_leads_nowhere(alice, root, monkeypatch):
    made, place = stored(root, alice)
    delete(made)
    beyond(root, alice, made, place)
    monkeypatch.setattr("videos.services.purge.place_of", lambda _: place)

    assert purge() == 1
    assert (root.parent / "away" / "a.mp4").exists()


def test_a_file_that_cannot_be_removed_keeps_its_row_and_holds_up_no_other(
    alice, root, monkeypatch
):
    first, second = stored(root, alice)[0], stored(root, alice, "b.mp4")[0]
    delete(first, second)
    unlink = os.unlink

    def refusing(name, **given):
        if name == "a.mp4":
            raise PermissionError(13, "Permission denied")
        unlink(name, **given)

    monkeypatch.setattr(os, "unlink", refusing)

    assert purge() == 1
    assert [row.pk for row in Video.objects.all()] == [first.pk]
    monkeypatch.undo()


def test_the_command_says_what_would_go_and_purges(alice, root, capsys):
    (old, place), (new, _) = stored(root, alice), stored(root, alice, "b.mp4")
    delete(old, new)
    Video.objects.filter(pk=old.pk).update(deleted_at=timezone.now() - timedelta(days=29))

    call_command("purge_videos")
    call_command("purge_videos", "--days", "29", "--dry-run")
    assert place.exists()
    os.utime(place, (1, 1))
    call_command("purge_videos", "--days", "29")

    said = capsys.readouterr().out.splitlines()
    assert said == [
        "Purged 0 videos.", f"{old.pk} /a.mp4", "Would purge 1 videos.", "Purged 1 videos.",
    ]  # fmt: skip


@pytest.mark.parametrize("days", ["0", "-1", "3651"])
def test_the_command_takes_sensible_days_only(days):
    with pytest.raises(CommandError, match="between"):
        call_command("purge_videos", "--days", days)


def test_the_nightly_task_does_the_same(alice):
    made = video(alice)
    delete(made)
    Video.objects.update(deleted_at=timezone.now() - MONTH)

    tasks.purge_videos()

    assert events().get().actor == "schedule"


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_purges_at_once_end_each_video_once(alice):
    delete(*(video(alice, f"{number}.mp4", 1) for number in range(6)))
    start, counts = threading.Barrier(3), []

    def run():
        start.wait()
        counts.append(purge())
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (sum(counts), events().count(), Video.objects.count()) == (6, 6, 0)
