"""INB-05: whatever a member is called, the home is ``<root>/<one segment>``, and nobody else's."""

import random
import uuid
from pathlib import PurePosixPath
from posixpath import normpath

import pytest

from apikeys.models import ApiKey
from provisioning.models import SftpgoAccount
from provisioning.services.homes import give_account
from provisioning.sftpgo.names import LONGEST, candidates, home_of, is_plain
from tests import make
from tests.provisioning.sftpgo_settings import configured

ROOT = "/data"
HOSTILE = [
    "../x", "..", ".", "a/b", "/etc/passwd", "a\0b", "\0", "x" * 1000, "a" * 61, "", " ", "~",
    "First Last@example.org", "\u00dcn\u00ef ../x", "con", "NUL.txt", "com1", "a\\b", "a:b", "a\nb",
    "%2e%2e", "..%2f..", "*", "-rf", "\u738b", "alice\u0301",
    "\u202etxt.exe", "\u200fevil",  # right to left
    "\uff0e\uff0e\uff0f\uff58", "\uff41\uff4c\uff49\uff43\uff45",  # wide
    "\u2026", "\u2025", "\u2044etc", "\u2024\u2024", "\u017f", "\u212a",  # NFKC: dots, /, s, K
]  # fmt: skip


def is_one_segment(home):
    path = PurePosixPath(home)
    return str(path) == normpath(home) == home and str(path.parent) == ROOT and path.name != ".."


def names_of(username, wordpress_id):
    return list(candidates(username, wordpress_id, uuid.uuid4()))


@pytest.mark.parametrize("username", HOSTILE)
def test_a_hostile_name_stays_one_plain_segment(username):
    for name in names_of(username, 42):
        assert is_plain(name)
        assert name.isascii()
        assert len(name) <= LONGEST
        assert is_one_segment(home_of(ROOT, name))


def test_so_does_any_name():
    rng = random.Random(7)
    pieces = [*"./\\-_~%:* @\0\n\u202e\u0130ßéA1", "..", "con", "x" * 70, "\U0001f600"]
    for _ in range(3000):
        username = "".join(rng.choices(pieces, k=rng.randint(0, 12)))
        for name in names_of(username, rng.choice([None, 1, 2**63 - 1])):
            assert is_plain(name), username
            assert is_one_segment(home_of(ROOT, name)), username


@pytest.mark.parametrize("username", ["alice", "Alice.B-c_d~9", "a", ".hidden", "x" * 60])
def test_a_plain_name_is_kept(username):
    assert names_of(username, 42)[0] == username


@pytest.mark.parametrize("username", ["con", "NUL.txt", "Com1", "lpt9.a.b"])
def test_a_device_of_windows_is_no_name(username):
    assert names_of(username, 42)[0].endswith("-42")


def test_another_gets_what_is_left_and_the_wordpress_id():
    assert names_of("First Last@example.org", 4711)[0] == "first-last-example-org-4711"
    assert names_of("王", 7)[0] == "member-7"


def test_a_path_is_no_name_for_a_home():
    for name in ("../x", "a/b", "..", "", "a\n"):
        with pytest.raises(ValueError, match="plain"):
            home_of(ROOT, name)


@pytest.mark.django_db
def test_case_twins_have_homes_of_their_own(settings):
    settings.SFTPGO = configured()
    first = make.member("alice")
    first.status = "deleted"
    first.save()

    second = make.member("ALICE")

    assert first.sftpgo_username == "alice"
    assert second.sftpgo_username.startswith("alice-")
    homes = set(SftpgoAccount.objects.values_list("home_dir", flat=True))
    assert homes == {"/data/alice", f"/data/{second.sftpgo_username}"}


@pytest.mark.django_db
def test_a_name_outlives_the_members_row(settings):
    settings.SFTPGO = configured()
    member = make.member("alice")
    ApiKey.objects.all().delete()
    member.delete()

    assert make.member("alice").sftpgo_username != "alice"


@pytest.mark.django_db
def test_an_account_is_given_once(settings):
    settings.SFTPGO = configured()
    member = make.member("alice")

    assert give_account(member).pk == SftpgoAccount.objects.get().pk
    assert member.sftpgo_username == "alice"


@pytest.mark.django_db
def test_a_home_that_is_somebodys_is_given_to_nobody_else(settings):
    settings.SFTPGO = configured()
    SftpgoAccount.objects.create(username="older", home_dir="/data/ALICE")

    assert make.member("alice").sftpgo_username != "alice"
