"""Paths of videos: what is taken stays byte for byte, what could lead elsewhere is refused."""

import random

import pytest

from momentry.common.errors import MomentryError
from tests import make
from videos import paths
from videos.models import PATH_LENGTH, Source, Video

HOSTILE = (
    "", "/", "//", "a//b", "/a/", ".", "..", "/../etc/passwd", "/a/../b", "a/..", "/./a", "a/.",
    "\\a", "/a\\..\\b", "/a\0b", "/a\nb", "/a\r", "/a\tb", "/\x7f", "/\x85", "/\ud800", "/a/\udcff",
    "/" + "n" * 256, "/" + "é" * 128, "/a" * 512 + "b", "/影影影" * 250, 7, None, ["/a"],
)  # fmt: skip
FINE = (
    "/a.mp4", "/film/a.mp4", "/...", "/.hidden", "/a b", "/%2e%2e/a", "/é", "/e\u0301", "/影片.mp4",
    "/~", "/" + "n" * 255, "/" + "é" * 127, "/a" * 512,
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_what_could_lead_elsewhere_is_refused(text):
    with pytest.raises(MomentryError) as refused:
        paths.clean(text)

    assert refused.value.code.code == "invalid_input"
    assert [error["pointer"] for error in refused.value.extra["errors"]] == ["#/path"]


@pytest.mark.parametrize("text", FINE)
def test_any_other_name_stays_as_it_was_written(text):
    assert paths.clean(text) == text


def test_a_missing_slash_is_added():
    assert paths.clean("film/a.mp4") == "/film/a.mp4"


@pytest.mark.django_db
def test_the_longest_path_fits_into_the_indexes():
    """Random, for PostgreSQL would make a repeated one short."""
    chance = random.Random(1)
    names = ["".join(chr(chance.randrange(0x4E00, 0xA000)) for _ in range(84)) for _ in range(8)]
    path = paths.clean("/" + "/".join(names) + "/影影影影")
    home = "/srv" + "/h" * 220
    alice = make.member()

    for owner, location in ((alice, ""), (None, home + path)):
        Video.objects.create(
            owner=owner, path=path, location=location, name="x", size=1, source=Source.IMPORT
        )

    assert len(path.encode()) > paths.LONGEST_BYTES - 30


def test_lengths_are_what_the_columns_take():
    assert paths.LONGEST == PATH_LENGTH
