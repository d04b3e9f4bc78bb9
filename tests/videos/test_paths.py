"""Paths of videos: what is taken stays byte for byte, what could lead elsewhere is refused."""

import pytest

from momentry.common.errors import MomentryError
from videos import paths
from videos.models import PATH_LENGTH

HOSTILE = (
    "", "/", "//", "a//b", "/a/", ".", "..", "/../etc/passwd", "/a/../b", "a/..", "/./a", "a/.",
    "\\a", "/a\\..\\b", "/a\0b", "/a\nb", "/a\r", "/a\tb", "/\x7f", "/\x85", "/\ud800", "/a/\udcff",
    "/" + "n" * 256, "/" + "é" * 128, "/a" * 512 + "b", 7, None, ["/a"],
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


def test_lengths_are_what_the_columns_take():
    assert paths.LONGEST == PATH_LENGTH
