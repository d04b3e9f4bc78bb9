"""``manage.py scan_leaks --offline``: files, directories, standard input and a git history, without
settings and without a database."""

import os
from pathlib import Path

import pytest

from tests.apikeys.leaking import look_alike, minted
from tests.apikeys.repositories import KEY, commit, documents, git, new_repository, scan


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return new_repository(tmp_path / "repository")


def test_where_nothing_is_found_the_code_is_0(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(look_alike(KEY))

    run = scan(tmp_path)

    assert (run.returncode, run.stdout) == (0, "")
    assert "1 file, 0.0 MB, 0 found." in run.stderr


def test_text_and_binary_files_of_a_directory_are_searched(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / ".env").write_text(f"a=1\nKEY={KEY}\n")
    (tmp_path / "dump.bin").write_bytes(b"\0\xff" * 5000 + KEY.encode() + b"\0" * 5000)
    (tmp_path / "windows.ps1").write_bytes(f"'{KEY}'".encode("utf-16"))

    run = scan("--json", tmp_path)

    assert run.returncode == 1
    assert [(Path(str(d["file"])).name, d["line"], d["offset"]) for d in documents(run)] == [
        (".env", 2, 8), ("dump.bin", 1, 10_000), ("windows.ps1", 1, 4),
    ]  # fmt: skip
    assert {(d["key"], d["verdict"], d["key_id"]) for d in documents(run)} == {
        ("muser_00000000…****", "unchecked", "0" * 31 + "1")
    }


def test_standard_input_is_searched() -> None:
    run = scan("-", stdin=b"x\n" * 2_000_000 + KEY.encode())

    assert run.returncode == 1
    assert run.stdout == "-:2000001: muser_00000000…**** form of a key\n"


def test_a_key_in_the_name_of_a_file_is_not_printed(tmp_path: Path) -> None:
    (tmp_path / f"{KEY}.txt").write_text(f"{KEY}\n\x1b[2J")

    assert scan(tmp_path).returncode == scan("--json", tmp_path).returncode == 1


def test_links_pipes_and_devices_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text(KEY)
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link").symlink_to(tmp_path / "outside")
    (inside / "loop").symlink_to(inside)
    os.mkfifo(inside / "pipe")

    run = scan(inside)

    assert (run.returncode, "0 files" in run.stderr) == (0, True)


def test_what_is_not_there_is_a_failure(tmp_path: Path) -> None:
    run = scan(tmp_path / "missing")

    assert (run.returncode, run.stdout) == (2, "")
    assert "No such file" in run.stderr


def test_imported_keys_are_found_by_the_format_given(tmp_path: Path) -> None:
    secret = "sk-auto-Zm9vYmFyYmF6MTIzNDU2Nzg5"
    (tmp_path / "a").write_text(f'token: "{secret}"')

    assert scan(tmp_path).returncode == 0
    run = scan("--format", "sk-auto-", tmp_path)
    assert (run.returncode, secret in run.stdout) == (1, False)
    assert "sk-auto-…****" in run.stdout
    assert scan("--format", "muser_", tmp_path).returncode == 2


def test_the_history_has_what_the_newest_commit_has_no_more(repository: Path) -> None:
    first = commit(repository, "config.py", f"KEY = '{KEY}'\n", "add")
    commit(repository, "config.py", "KEY = ''\n", "remove")

    assert scan(repository).returncode == 0
    run = scan("--history", "--json", repository)

    assert run.returncode == 1
    (found,) = documents(run)
    assert (found["file"], found["commit"], found["line"]) == ("config.py", first, 1)


def test_messages_tags_and_what_no_branch_leads_to_are_history_too(repository: Path) -> None:
    keys = [minted(seed=seed) for seed in (1, 2, 3)]
    commit(repository, "a", "a", f"the key is {keys[0]}")
    git(repository, "tag", "-a", "v1", "-m", keys[1])
    commit(repository, "b", keys[2], "dropped")
    git(repository, "reset", "-q", "--hard", "HEAD~1")
    git(repository, "reflog", "expire", "--expire=now", "--all")

    run = scan("--history", "--json", repository)

    assert sorted(str(d["key_id"])[-1] for d in documents(run)) == ["1", "2", "3"]


def test_packed_history_is_read_and_nothing_of_the_repository_runs(
    repository: Path, tmp_path: Path
) -> None:
    commit(repository, "a", "x" * 3_000_000 + KEY)
    git(repository, "gc", "-q", "--aggressive")
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path / 'sprung'}\n")
    trap.chmod(0o755)
    for name in ("core.fsmonitor", "core.pager", "diff.x.textconv", "core.sshCommand"):
        git(repository, "config", name, str(trap))
    (repository / ".gitattributes").write_text("* diff=x\n")

    run = scan("--history", repository)

    assert run.returncode == 1
    assert not (tmp_path / "sprung").exists()


def test_the_history_of_no_repository_is_a_failure(tmp_path: Path) -> None:
    run = scan("--history", tmp_path)

    assert run.returncode == 2
    assert "not a git repository" in run.stderr
    assert scan("--history", "-").returncode == 2
