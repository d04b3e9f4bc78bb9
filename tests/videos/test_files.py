"""Members' files on disk: measured where this machine sees them, and only the member's own."""

import os

import pytest

from accounts.models import User
from momentry.common.errors import MomentryError
from provisioning.models import SftpgoAccount
from provisioning.sftpgo.config import SftpgoConfig
from tests import make
from videos import files

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(tmp_path, settings):
    """SFTPGO_DATA_ROOT, beside which there is a file that is no member's."""
    (tmp_path / "data").mkdir()
    (tmp_path / "secret").write_bytes(b"12345")
    settings.SFTPGO = SftpgoConfig(
        "http://sftpgo.example.org", "", "", "key", str(tmp_path / "data"), "/srv/data", "", 22
    )
    return tmp_path / "data"


@pytest.fixture
def alice(root):
    member = make.member()
    SftpgoAccount.objects.filter(member=member).delete()
    SftpgoAccount.objects.create(member=member, username="alice", home_dir="/srv/data/alice")
    (root / "alice" / "film").mkdir(parents=True)
    (root / "alice" / "film" / "a.mp4").write_bytes(b"x" * 700)
    return User.objects.get(pk=member.pk)


def test_a_file_is_measured_where_it_is(alice, root):
    assert files.location_of(alice, "/film/a.mp4") == "/srv/data/alice/film/a.mp4"
    assert files.place_of("/srv/data/alice/film/a.mp4") == root / "alice" / "film" / "a.mp4"
    assert files.measure(alice, "/film/a.mp4") == 700


def links(root):
    """Ways out of a member's home, and things that are no files."""
    home = root / "alice"
    (root / "bob").mkdir()
    (root / "bob" / "b.mp4").write_bytes(b"y")
    (home / "out").symlink_to(root.parent / "secret")
    (home / "up").symlink_to(root.parent)
    (home / "bobs").symlink_to(root / "bob" / "b.mp4")
    (home / "again").symlink_to(home / "film" / "a.mp4")
    os.mkfifo(home / "pipe")
    return (
        "/out", "/up/secret", "/bobs", "/again", "/pipe", "/film", "/none", "/film/a.mp4/x",
        "/../../secret", "/film/../film/a.mp4", "//film/a.mp4", "/a\0b", "/" + "n" * 300,
    )  # fmt: skip


def test_nothing_leads_out_and_nothing_but_a_file_is_measured(alice, root):
    for path in links(root):
        assert files.place_of(f"/srv/data/alice{path}") is None, path
        with pytest.raises(MomentryError) as refused:
            files.measure(alice, path)
        assert refused.value.extra["errors"][0]["pointer"] == "#/size"


def test_a_location_elsewhere_is_not_seen(alice, root):
    assert files.place_of("/srv/database/a") is None
    assert files.place_of(str(root / "alice" / "film" / "a.mp4")) is None
    assert files.place_of("") is None


def test_without_a_home_or_a_root_there_is_nothing_to_measure(alice, settings):
    bob = make.member("bob")
    SftpgoAccount.objects.filter(member=bob).delete()
    assert files.location_of(bob, "/film/a.mp4") == ""
    with pytest.raises(MomentryError):
        files.measure(bob, "/film/a.mp4")

    for config in (settings.SFTPGO._replace(data_root=""), None):
        settings.SFTPGO = config
        assert files.place_of("/srv/data/alice/film/a.mp4") is None
