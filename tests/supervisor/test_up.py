"""`manage.py up` for real: first and second start, its refusals, its ends."""

import os
import signal
import socket
from pathlib import Path
from urllib.error import HTTPError

import pytest

from momentry.supervisor.engines import start_throwaway
from momentry.supervisor.network import free_port
from tests.supervisor.running import Up, all_gone, key_in
from tests.supervisor.tools import until

pytestmark = pytest.mark.slow


def test_two_starts_keep_the_data_and_leave_no_process(place: Path) -> None:
    with Up(place, "--workers", "2") as first:
        key = key_in(first.announced())
        assert first.get("/proxy/echo/hello", key) == 200
        assert first.get("/admin/login/") == 200
        family = first.family()
        assert first.stop() <= 3
        assert first.process.returncode == 0
        assert all_gone(family)
    assert (place / "secrets" / "demo-key").stat().st_mode & 0o777 == 0o600

    with Up(place, port=first.port) as second:
        words = second.announced()
        assert key_in(words) == key
        assert not any("prepare" in command for command in second.family().values())
        assert second.get("/proxy/echo/hello", key) == 200
        # Beat is the last to come: only then is the family whole.
        assert until(
            lambda: sum("manage.py worker" in line for line in second.family().values()) == 2, 30
        )
        family = second.family()
        second.stop(signal.SIGKILL)
        assert all_gone(family)

    with Up(place, port=first.port) as third:  # after an unclean death
        assert key_in(third.announced()) == key
        assert third.get("/proxy/echo/hello", key) == 200
        assert third.stop(signal.SIGINT) <= 3


def test_a_second_instance_a_taken_port_and_a_dead_child(place: Path) -> None:
    with Up(place) as first:
        key = key_in(first.announced())

        with Up(place) as same_data:
            assert f"process {first.process.pid}" in same_data.refused()
        with Up(place / "other", port=first.port) as same_port:
            assert f"Port {first.port}" in same_port.refused()

        django = first.child("manage.py serve")
        os.kill(django, signal.SIGKILL)
        assert until(lambda: first.child("manage.py serve") not in {0, django})
        assert until(lambda: answers(first, "/admin/login/"), 20)

        os.kill(first.child("postgres -D"), signal.SIGKILL)
        assert first.process.wait(timeout=30) == 1
        assert key


def answers(up: Up, path: str) -> bool:
    try:
        return up.get(path) == 200
    except HTTPError:
        return False


def test_servers_of_the_environment_are_used_and_none_is_started(place: Path) -> None:
    engines = start_throwaway(place / "engines")
    given = {"DATABASE_URL": engines.database_url, "REDIS_URL": engines.redis_url}

    with Up(place / "var", variables=given) as up:
        key = key_in(up.announced())
        assert up.get("/proxy/echo/hello", key) == 200
        assert not any(" -D " in command for command in up.family().values())
        assert not (place / "var" / "postgres").exists()
        up.stop()
    engines.stop()


@pytest.mark.parametrize(
    ("name", "value"),
    [("ENCRYPTION_KEY", "not-a-key"), ("SECRET_KEY", "short"), ("API_KEY_PEPPERS", "nonsense")],
)
def test_a_malformed_secret_ends_it_with_its_name_only(place: Path, name: str, value: str) -> None:
    with Up(place, variables={name: value}) as up:
        words = up.refused()

    assert name in words
    assert value not in words
    assert "Traceback" not in words


def test_an_unreachable_database_ends_it_with_a_sentence(place: Path) -> None:
    url = f"postgresql://user:pa55word@127.0.0.1:{free_port(0)}/momentry"

    with Up(place, variables={"DATABASE_URL": url}) as up:
        words = up.refused()

    assert "DATABASE_URL: 127.0.0.1 cannot be reached" in words
    assert "pa55word" not in words


def test_a_database_that_refuses_us_ends_it_with_a_sentence(place: Path) -> None:
    engines = start_throwaway(place / "engines")
    url = engines.database_url.replace("momentry:", "momentry:pa55word", 1)

    with Up(place / "var", variables={"DATABASE_URL": url}) as up:
        words = up.refused()
    engines.stop()

    assert "password authentication failed" in words
    assert "pa55word" not in words
    assert "Traceback" not in words


def test_a_data_directory_in_the_way_ends_it_with_a_sentence(place: Path) -> None:
    (place / "var").write_text("a file")

    with Up(place / "var") as up:
        assert "--data-dir" in up.refused()


def test_an_interrupted_start_leaves_nothing(place: Path) -> None:
    with Up(place) as up:
        assert until(lambda: any("prepare" in command for command in up.family().values()), 30)
        family = up.family()
        up.stop(signal.SIGINT)
        assert up.process.returncode == 0
        assert all_gone(family)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", up.port), timeout=1)
