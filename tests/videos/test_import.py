"""manage.py import_videos: what is on disk and in no book."""

import tracemalloc

import pytest
from django.core.management import CommandError, call_command

from tests.videos import homes
from tests.videos.sftpgo import event, files, hook_client, post, used
from videos.models import Source, Video
from videos.services import importing
from videos.services.registering import register

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(settings, tmp_path):
    return homes.seen(settings, tmp_path)


@pytest.fixture
def alice(db, root):
    return homes.member(root)


def run(capsys, *words):
    call_command("import_videos", *words)
    *lines, last = capsys.readouterr().out.splitlines()
    return sorted(lines), last


def test_files_belong_to_whose_home_they_are_in(alice, root, capsys):
    homes.write(root, "alice/d/a.mp4", b"x" * 60)
    homes.write(root, "alice/b.mp4", b"x" * 50)
    homes.write(root, "carol/c.mp4", b"x" * 7)

    lines, last = run(capsys, "--dry-run")
    assert lines == [
        f"registered: /data/{path}" for path in ("alice/b.mp4", "alice/d/a.mp4", "carol/c.mp4")
    ]
    assert (last, Video.objects.count()) == ("Would be: 3 registered.", 0)

    assert run(capsys)[1] == "Done: 3 registered."
    assert (files(alice), used(alice)) == ({"/d/a.mp4": 60, "/b.mp4": 50}, 110)
    nobodys = Video.objects.get(owner=None)
    assert (nobodys.path, nobodys.location) == ("/carol/c.mp4", "/data/carol/c.mp4")
    assert nobodys.source == Source.IMPORT
    assert Video.objects.filter(over_quota=True).count() == 1

    assert run(capsys) == ([], "Done: 3 known.")
    assert used(alice) == 110


def test_what_is_known_by_another_way_is_known(alice, root, capsys):
    homes.write(root, "alice/a", b"x")
    homes.write(root, "alice/b", b"x")
    post(hook_client(), event("upload", "/a", file_size=1))
    register(alice, "/b", 1, source=Source.REST, actor="test")

    assert run(capsys) == ([], "Done: 2 known.")


def test_what_its_owner_deleted_does_not_come_back(alice, root, capsys):
    homes.write(root, "alice/a", b"x")
    video = register(alice, "/a", 1, source=Source.REST, actor="test").video
    Video.objects.filter(pk=video.pk).update(deleted_at=video.created_at)

    assert run(capsys)[1] == "Done: 1 known."
    Video.objects.filter(pk=video.pk).update(file_gone=True)
    assert run(capsys)[1] == "Done: 1 registered."


def test_a_file_of_nobody_is_given_to_whoever_has_the_home_now(root, capsys, db):
    homes.write(root, "dave/a", b"x" * 9)
    run(capsys)
    (root / "dave/a").unlink()
    (root / "dave").rmdir()
    dave = homes.member(root, "dave")
    homes.write(root, "dave/a", b"x" * 9)

    assert run(capsys) == (["given: /data/dave/a"], "Done: 1 given.")
    assert (files(dave), used(dave)) == ({"/a": 9}, 9)
    assert run(capsys)[1] == "Done: 1 known."


def test_a_size_that_differs_is_left_to_the_reading(alice, root, capsys):
    homes.write(root, "alice/a", b"x" * 9)
    run(capsys)
    Video.objects.update(hashed_at="2026-01-01T00:00Z")
    homes.write(root, "alice/a", b"x" * 8)

    assert run(capsys)[1] == "Done: 1 changed."
    assert Video.objects.get().hashed_at is None


def test_links_and_what_cannot_be_a_path_are_left_alone(alice, root, capsys, tmp_path_factory):
    secret = homes.write(tmp_path_factory.mktemp("other"), "a", b"x")
    (root / "alice/link").symlink_to(secret)
    (root / "alice/up").symlink_to(secret.parent)
    homes.write(root, "alice/back\\slash", b"x")
    homes.write(root, "alice/.sftpgo-upload.x.a", b"x")
    (root / "alice").joinpath("not-text-\udcff").write_bytes(b"x")

    lines, last = run(capsys)

    assert last == "Done: 2 refused."
    assert all(line.isascii() for line in lines)
    assert Video.objects.count() == 0


def test_memory_does_not_grow_with_the_files(root, db):
    for number in range(6000):
        homes.write(root, f"d{number % 50}/{number}", b"")
    peaks = []
    for at_once in (1000, 6000):
        tracemalloc.start()
        walked = importing.walk(root, "/data")
        for _, _ in zip(range(at_once), walked, strict=False):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < peaks[0] + 50_000


def test_without_a_data_root_it_says_so(settings, db):
    settings.SFTPGO = None
    with pytest.raises(CommandError, match="SFTPGO_DATA_ROOT is not set"):
        call_command("import_videos")
