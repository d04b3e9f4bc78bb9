"""Digests of files under SFTPGO_DATA_ROOT: of what is there, read by one at a time."""

import hashlib
import math
import os
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from events.models import Event
from tests.videos import homes
from tests.videos.sftpgo import event, hook_client, post, renamed, used
from videos.filemodels import FileReading
from videos.models import Source, Video
from videos.services import hashing
from videos.services.registering import register

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(settings, tmp_path):
    return homes.seen(settings, tmp_path)


@pytest.fixture
def alice(db, root):
    return homes.member(root)


def read():
    return hashing.read_waiting(math.inf)


def registered(alice, path, size, **given):
    given = {"source": Source.SFTPGO, "location": f"/data/alice{path}", "anyway": True, **given}
    return register(alice, path, size, actor="test", **given).video


def look(video):
    return Video.objects.get(pk=video.pk)


def digest(content):
    return hashlib.sha256(content).hexdigest()


def test_a_file_gets_its_digest(alice, root):
    homes.write(root, "alice/a.mp4", b"x" * 40)
    video = registered(alice, "/a.mp4", 40)

    assert read() == 1

    found = look(video)
    assert (found.sha256, found.hashed_bytes, found.size) == (digest(b"x" * 40), 40, 40)
    assert found.hashed_at is not None
    assert (used(alice), FileReading.objects.count(), read()) == (40, 0, 0)


@pytest.mark.parametrize("size", [10, 200, 0])
def test_a_size_that_differs_is_set_right(alice, root, size):
    homes.write(root, "alice/a", b"x" * size)
    video = registered(alice, "/a", 40)

    read()

    assert (look(video).size, used(alice), look(video).over_quota) == (size, size, size > 100)
    (told,) = Event.objects.filter(kind="video:measured")
    assert told.subject == f"video:{video.pk.hex}"


def test_a_file_that_is_not_there_yet_is_looked_for_again(alice, root):
    video = registered(alice, "/a", 3)

    assert read() == 0
    homes.write(root, "alice/a", b"abc")
    assert read() == 0
    FileReading.objects.update(until=Now())

    assert read() == 1
    assert look(video).sha256 == digest(b"abc")


def test_a_file_that_never_comes_keeps_what_is_known_of_it(alice, root):
    video = registered(alice, "/a", 3)

    for _ in range(hashing.TRIES):
        FileReading.objects.update(until=Now())
        assert read() == 0

    found = look(video)
    assert (found.size, found.sha256, used(alice)) == (3, "", 3)
    assert found.hashed_at is not None
    assert FileReading.objects.count() == 0


@pytest.mark.parametrize("kind", ["link", "directory", "link above", "pipe", "outside"])
def test_nothing_but_a_members_own_file_is_read(alice, root, kind, tmp_path_factory):
    secret = homes.write(tmp_path_factory.mktemp("other"), "a", b"secret")
    if kind == "link":
        (root / "alice/a").symlink_to(secret)
    elif kind == "link above":
        (root / "alice/d").symlink_to(secret.parent)
    elif kind == "directory":
        (root / "alice/a").mkdir()
    elif kind == "pipe":
        os.mkfifo(root / "alice/a")
    path = "/d/a" if kind == "link above" else "/a"
    outside = {"location": str(secret)} if kind == "outside" else {}
    video = registered(alice, path, 6, **outside)

    assert read() == 0
    assert look(video).sha256 == ""


def test_a_file_that_changes_meanwhile_is_read_later(alice, root, monkeypatch):
    place = homes.write(root, "alice/a", b"x" * 40)
    video = registered(alice, "/a", 40)
    real = os.read

    def grow(file, size):
        if chunk := real(file, size):
            place.write_bytes(b"y" * 50)
        return chunk

    with monkeypatch.context() as patch:
        patch.setattr(os, "read", grow)
        assert read() == 0

    assert look(video).sha256 == ""
    FileReading.objects.update(until=Now())
    assert read() == 1
    assert (look(video).sha256, look(video).size) == (digest(b"y" * 50), 50)


def meanwhile(monkeypatch, action):
    """At the end of the file, before the digest is written."""
    real = hashing.finish

    def late(*given):
        action()
        real(*given)

    monkeypatch.setattr(hashing, "finish", late)


def test_what_was_replaced_meanwhile_keeps_no_old_digest(alice, root, monkeypatch):
    homes.write(root, "alice/a", b"old")
    api = hook_client()
    post(api, event("upload", "/a", file_size=3))
    with monkeypatch.context() as patch:
        meanwhile(patch, lambda: post(api, event("upload", "/a", file_size=3)))
        assert hashing.read_one(hashing.take_one()) is False
    homes.write(root, "alice/a", b"new")

    assert read() == 1
    assert Video.objects.get().sha256 == digest(b"new")


@pytest.mark.parametrize("after", [renamed("/a", "/b"), event("delete", "/a")])
def test_what_was_moved_or_deleted_meanwhile_is_not_written(alice, root, monkeypatch, after):
    homes.write(root, "alice/a", b"old")
    api = hook_client()
    post(api, event("upload", "/a", file_size=3, timestamp=after["timestamp"] - 1))

    with monkeypatch.context() as patch:
        meanwhile(patch, lambda: post(api, after))
        assert hashing.read_one(hashing.take_one()) is False

    video = Video.objects.get()
    assert (video.sha256, video.hashed_at) == ("", None)
    (root / "alice/a").rename(root / "alice/b")
    FileReading.objects.update(until=Now())
    assert read() == (1 if video.deleted_at is None else 0)


def test_another_content_of_the_same_length_is_another_file(alice, root):
    homes.write(root, "alice/a", b"old")
    api = hook_client()
    post(api, event("upload", "/a", file_size=3))
    read()
    homes.write(root, "alice/a", b"new")
    post(api, event("upload", "/a", file_size=3))

    assert read() == 1

    video = Video.objects.get()
    assert (video.sha256, video.size, used(alice)) == (digest(b"new"), 3, 3)
    assert sorted(video.jobs.values_list("state", flat=True)) == ["cancelled", "queued"]
    assert Event.objects.filter(kind="video:replaced").count() == 1


def test_one_is_read_at_a_time(alice, root):
    for name in "ab":
        homes.write(root, f"alice/{name}", b"x")
        registered(alice, f"/{name}", 1)

    first = hashing.take_one()
    assert first is not None
    assert hashing.take_one() is None
    assert read() == 0


def test_a_reader_that_was_killed_is_followed_by_another(alice, root):
    homes.write(root, "alice/a", b"x")
    video = registered(alice, "/a", 1)
    dead = hashing.take_one()
    FileReading.objects.update(until=Now() - timedelta(seconds=1))

    assert read() == 1
    assert look(video).sha256 == digest(b"x")
    assert hashing.read_one(dead) is False


def test_how_far_it_is_can_be_seen(alice, root, monkeypatch):
    monkeypatch.setattr(hashing, "BEAT_SECONDS", 0.0)
    monkeypatch.setattr(hashing, "CHUNK", 10)
    homes.write(root, "alice/a", b"x" * 40)
    video = registered(alice, "/a", 40)
    seen = []
    real = hashing.hold

    def hold(claim, done):
        real(claim, done)
        seen.append(look(video).hashed_bytes)

    monkeypatch.setattr(hashing, "hold", hold)
    read()

    assert seen == [10, 20, 30, 40]


def test_without_a_data_root_nothing_is_read(alice, settings):
    registered(alice, "/a", 1)
    settings.SFTPGO = settings.SFTPGO._replace(data_root="")

    assert (read(), FileReading.objects.count()) == (0, 0)
