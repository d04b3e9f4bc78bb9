"""One instance per data directory, and one sentence when it cannot be used."""

import os
from pathlib import Path

import pytest

from momentry.supervisor.datadir import DataDirectory
from momentry.supervisor.errors import CannotStartError
from momentry.supervisor.sockets import LONGEST, LONGEST_NAME, socket_directory


def test_a_second_instance_is_told_who_runs_and_how_to_stop_it(tmp_path: Path) -> None:
    first = DataDirectory(tmp_path / "var")
    first.hold(3977)

    with pytest.raises(CannotStartError) as refusal:
        DataDirectory(tmp_path / "var").hold(4000)

    assert f"process {os.getpid()}, http://127.0.0.1:3977" in str(refusal.value)
    assert f"kill {os.getpid()}" in str(refusal.value)


def test_the_lock_ends_with_its_holder(tmp_path: Path) -> None:
    first = DataDirectory(tmp_path)
    first.hold(1)
    os.close(first.lock)

    second = DataDirectory(tmp_path)
    second.hold(2)

    assert ":2" in second.taken()


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file in the way")

    with pytest.raises(CannotStartError, match=r"cannot be written .*--data-dir"):
        DataDirectory(tmp_path / "var")


def test_a_short_path_keeps_its_sockets(tmp_path: Path) -> None:
    place = Path("/tmp") / f"m-{os.getpid()}"

    assert socket_directory(place) == place
    assert place.stat().st_mode & 0o777 == 0o700
    place.rmdir()


def test_a_long_path_has_its_sockets_in_the_temporary_directory(tmp_path: Path) -> None:
    place = tmp_path / ("long" * 30)

    found = socket_directory(place)

    assert len(os.fsencode(found)) + 1 + LONGEST_NAME <= LONGEST
    assert found == socket_directory(place)
    assert found.stat().st_mode & 0o777 == 0o700
    found.rmdir()


def test_a_link_in_the_temporary_directory_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / ("long" * 30)
    found = socket_directory(place)
    found.rmdir()
    found.symlink_to(tmp_path)

    with pytest.raises(CannotStartError, match="belongs to somebody else"):
        socket_directory(place)

    found.unlink()
