"""``scan_leaks`` never calls clean what it did not look at."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from apikeys.leaks import places
from tests.apikeys.leaking import minted
from tests.apikeys.repositories import (
    KEY,
    ROOT,
    commit,
    documents,
    file_of,
    git,
    new_repository,
    scan,
)

NOISE = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz\n", k=20_000))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return new_repository(tmp_path / "repository")


def test_a_link_that_is_named_itself_is_followed(tmp_path: Path) -> None:
    """Once: what it leads to may hold others."""
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "file").write_text(KEY)
    (inside / "again").symlink_to(inside)
    (tmp_path / "to-directory").symlink_to(inside)
    (tmp_path / "to-file").symlink_to(inside / "file")
    (tmp_path / "to-link").symlink_to("to-file")

    for name in ("to-directory", "to-file", "to-link"):
        run = scan("--json", tmp_path / name)
        assert (run.returncode, len(documents(run))) == (1, 1)
    assert documents(run)[0]["file"] == str(tmp_path / "to-link")


def test_a_link_to_nothing_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "gone")

    assert scan(tmp_path / "link").returncode == 2


@pytest.mark.parametrize("name", ["/proc", "/sys", "/dev", "/dev/null", "/dev/../proc/"])
def test_what_is_not_searched_is_said(name: str) -> None:
    run = scan(name)

    assert (run.returncode, run.stdout) == (2, "")
    assert "is not searched" in run.stderr


def test_pipes_and_git_s_objects_are_said_too(tmp_path: Path, repository: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/proc")

    for path in (tmp_path / "pipe", tmp_path / "link", repository / ".git" / "objects"):
        assert scan(path).returncode == 2


def test_standard_input_by_its_path(tmp_path: Path) -> None:
    """A file is one; a pipe is searched by its own name only."""
    (tmp_path / "a").write_text(KEY)

    assert scan("/dev/stdin", stdin=KEY.encode()).returncode == 2
    with (tmp_path / "a").open() as file:
        assert scan("/dev/stdin", stdin=file.fileno()).returncode == 1


def test_virtual_file_systems_are_left_alone_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "root").symlink_to("/")
    proc = tmp_path / "root" / "proc"

    assert places.is_left_out(str(proc), proc.stat(), places.identities(places.VIRTUAL))


@pytest.mark.parametrize("name", ["GIT_DIR", "GIT_COMMON_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"])
def test_the_repository_is_the_one_that_is_named(
    repository: Path, tmp_path: Path, name: str
) -> None:
    """In a hook git says in the environment which one is its own."""
    commit(repository, "a", KEY)
    other = new_repository(tmp_path / "other")
    commit(other, "b", "nothing")

    assert scan("--history", repository, **{name: str(other / ".git")}).returncode == 1
    run = scan("--history", "--json", other, **{name: str(repository / ".git")})
    assert (run.returncode, run.stdout) == (0, "")


def test_what_is_pushed_is_seen_before_it_is_taken(repository: Path, tmp_path: Path) -> None:
    """By a pre-receive hook: the new objects lie apart."""
    target = tmp_path / "target.git"
    target.mkdir()
    git(target, "init", "-q", "--bare")
    hook = target / "hooks" / "pre-receive"
    hook.write_text(
        f"#!/bin/sh\nhere=$(pwd)\ncd {ROOT} &&"
        f" exec {sys.executable} manage.py scan_leaks --offline --history $here\n"
    )
    hook.chmod(0o755)
    commit(repository, "a", KEY)

    with pytest.raises(subprocess.CalledProcessError) as refused:
        git(repository, "push", "-q", str(target), "main")
    assert "form of a key" in refused.value.stderr
    assert git(target, "for-each-ref") == ""


def test_a_damaged_object_is_a_failure_and_the_rest_is_read(repository: Path) -> None:
    for number in range(1, 6):
        commit(repository, f"f{number}", NOISE + minted(seed=number))
    file_of(repository, "HEAD:f1").write_bytes(b"no zlib")
    broken = file_of(repository, "HEAD:f2")
    broken.write_bytes(broken.read_bytes()[:3000])
    file_of(repository, "HEAD:f3").write_bytes(b"")

    run = scan("--history", "--json", repository)

    assert {str(d["key_id"])[-1] for d in documents(run)} == {"4", "5"}
    assert run.stderr.count("is damaged") == 3
    for number in (4, 5):  # and without a key in the rest
        file_of(repository, f"HEAD:f{number}").write_bytes(b"")
    clean = scan("--history", repository)
    assert (clean.returncode, clean.stdout) == (2, "")


def test_a_missing_object_is_a_failure(repository: Path) -> None:
    commit(repository, "a", "one")
    commit(repository, "b", "two")
    assert scan("--history", repository).returncode == 0
    file_of(repository, "HEAD:a").unlink()

    run = scan("--history", repository)

    assert run.returncode == 2
    assert "1 objects of its history are not there" in run.stderr


def test_what_was_found_before_git_broke_off_is_told(repository: Path) -> None:
    """A history whose beginning is gone cannot be walked: where the key is, nobody can say."""
    commit(repository, "a", "one")
    commit(repository, "b", KEY)
    commit(repository, "c", "three")
    file_of(repository, "HEAD~1").unlink()

    run = scan("--history", "--json", repository)

    assert (run.returncode, len(documents(run))) == (1, 1)
    assert "commit" not in documents(run)[0]
    assert "Failed to traverse parents" in run.stderr


def test_more_damage_than_is_worth_going_on_for(repository: Path) -> None:
    for number in range(110):
        (repository / f"f{number}").write_text(f"{number}{NOISE}")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "many")
    for number in range(110):
        broken = file_of(repository, f"HEAD:f{number}")
        broken.write_bytes(broken.read_bytes()[:3000])

    run = scan("--history", repository)

    assert run.returncode == 2
    assert "git breaks off again and again." in run.stderr
