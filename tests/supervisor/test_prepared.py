"""When `manage.py prepare` may be left out, and what is read of it."""

from pathlib import Path

import pytest

from momentry.supervisor.errors import CannotStartError
from momentry.supervisor.prepared import Stamp, code_digest, identity, read_answer

SEEDS = {"MOMENTRY_ECHO_URL": "http://127.0.0.1:3990", "PATH": "/bin"}


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    (tmp_path / "pg" / "global").mkdir(parents=True)
    (tmp_path / "pg" / "base" / "5").mkdir(parents=True)
    (tmp_path / "pg" / "global" / "pg_control").write_bytes(b"12345678and more")
    return tmp_path / "pg"


def test_the_same_state_need_not_be_prepared_again(tmp_path: Path, cluster: Path) -> None:
    stamp = Stamp(tmp_path / "prepared", b"secret")
    state = stamp.state(cluster, SEEDS)
    assert not stamp.matches(state)

    stamp.write(state)

    assert stamp.matches(stamp.state(cluster, {**SEEDS, "PATH": "/other", "MOMENTRY_NONCE": "x"}))


def test_a_swapped_database_is_prepared(tmp_path: Path, cluster: Path) -> None:
    stamp = Stamp(tmp_path / "prepared", b"secret")
    before = stamp.state(cluster, SEEDS)

    (cluster / "base" / "16384").mkdir()
    restored = stamp.state(cluster, SEEDS)
    (cluster / "global" / "pg_control").write_bytes(b"87654321and more")
    swapped = stamp.state(cluster, SEEDS)

    assert len({before, restored, swapped}) == 3


@pytest.mark.parametrize(
    "changed", [{"MOMENTRY_ECHO_URL": "http://127.0.0.1:1"}, {"WORDPRESS_URL": "https://w.example"}]
)
def test_changed_seeds_are_prepared(tmp_path: Path, cluster: Path, changed: dict[str, str]) -> None:
    stamp = Stamp(tmp_path / "prepared", b"secret")

    assert stamp.state(cluster, SEEDS) != stamp.state(cluster, SEEDS | changed)


def test_a_new_migration_is_prepared(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("a==1\n")
    before = code_digest(tmp_path, requirements)

    (tmp_path / "app" / "migrations").mkdir(parents=True)
    (tmp_path / "app" / "migrations" / "0001_initial.py").write_text("")

    assert code_digest(tmp_path, requirements) != before


def test_no_cluster_has_no_identity(tmp_path: Path) -> None:
    assert identity(tmp_path) == ""


def test_the_key_is_found_among_log_lines() -> None:
    answer = '{"admin": "admin", "key": "muser_1", "password_holds": true}'
    text = f'{{"event": "migrated"}}\n{answer}\n{{"event": "bye"}}\nword\n'

    assert read_answer(text) == ("muser_1", True)
    assert read_answer('{"admin": "admin", "key": null}') == ("", False)


def test_silence_is_an_error() -> None:
    with pytest.raises(CannotStartError):
        read_answer("nothing of use\n")
