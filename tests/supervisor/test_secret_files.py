"""Secrets of an install are made once, kept 0600, and never replace what data depends on."""

import base64
import stat
from pathlib import Path

import pytest

from momentry.supervisor.errors import CannotStartError
from momentry.supervisor.secretfiles import SecretFiles


def test_they_are_made_once_and_only_ours_to_read(tmp_path: Path) -> None:
    files = SecretFiles(tmp_path, established=False)

    first = files.environment({})
    contents = {name: Path(path).read_text() for name, path in first.items()}
    again = SecretFiles(tmp_path, established=True).environment({})

    assert first == again
    assert contents == {name: Path(path).read_text() for name, path in again.items()}
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_their_forms_are_those_of_the_settings(tmp_path: Path) -> None:
    files = SecretFiles(tmp_path, established=False)
    files.environment({})

    number, _, pepper = files.read("api-key-peppers").partition(":")
    assert number == "1"
    assert len(base64.urlsafe_b64decode(pepper)) == 32
    assert len(base64.urlsafe_b64decode(files.read("encryption-key"))) == 32
    assert len(files.read("admin-token")) >= 32


@pytest.mark.parametrize("given", [{"ADMIN_TOKEN": "x"}, {"ADMIN_TOKEN_FILE": "/x"}])
def test_what_the_environment_gives_wins(tmp_path: Path, given: dict[str, str]) -> None:
    added = SecretFiles(tmp_path, established=False).environment(given)

    assert "ADMIN_TOKEN_FILE" not in added
    assert not (tmp_path / "admin-token").exists()


def test_an_empty_variable_counts_as_absent(tmp_path: Path) -> None:
    added = SecretFiles(tmp_path, established=False).environment({"ADMIN_TOKEN": ""})

    assert "ADMIN_TOKEN_FILE" in added


@pytest.mark.parametrize("lost", ["encryption-key", "api-key-peppers"])
def test_a_lost_key_of_an_existing_database_is_not_replaced(tmp_path: Path, lost: str) -> None:
    SecretFiles(tmp_path, established=False).environment({})
    (tmp_path / lost).unlink()

    with pytest.raises(CannotStartError, match="put it back from your backup"):
        SecretFiles(tmp_path, established=True).environment({})

    assert not (tmp_path / lost).exists()


def test_a_readable_file_is_closed_to_others(tmp_path: Path) -> None:
    files = SecretFiles(tmp_path, established=False)
    files.write("admin-token", "value")
    (tmp_path / "admin-token").chmod(0o644)

    assert files.read("admin-token") == "value"
    assert stat.S_IMODE((tmp_path / "admin-token").stat().st_mode) == 0o600
