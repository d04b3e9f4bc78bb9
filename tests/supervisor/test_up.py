"""`manage.py up` for real: first and second start, its refusals, its ends."""

import json
import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psycopg
import pytest
from redis import Redis
from redis.exceptions import RedisError

from momentry.supervisor.engines import start_throwaway
from momentry.supervisor.network import free_port
from proxy.gateway.callfile import FREE, PAGE
from tests.services import SECRETS
from tests.supervisor.running import Up, all_gone, core_limit, key_in
from tests.supervisor.tools import until

pytestmark = pytest.mark.slow

VALKEY = "-server unixsocket:"  # its title names where it listens
PARTS = ("manage.py up", "gateway", "manage.py serve", "postgres", "valkey", "worker")


@pytest.fixture
def dumps() -> Iterator[None]:
    """Whoever starts `up` allows core dumps."""
    before, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, (before, hard))


@pytest.mark.usefixtures("dumps")
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
        none_may_dump({second.process.pid: "manage.py up", **family})
        second.stop(signal.SIGKILL)
        assert all_gone(family)

    with Up(place, port=first.port) as third:  # after an unclean death
        assert key_in(third.announced()) == key
        assert third.get("/proxy/echo/hello", key) == 200
        assert third.stop(signal.SIGINT) <= 3


def none_may_dump(family: dict[int, str]) -> None:
    """Not one of a whole family: a core dump would hold secrets."""
    limits = {pid: Path(f"/proc/{pid}/limits").read_text() for pid in family}
    found = {line: core_limit(limits[pid]) for pid, line in family.items() if line}
    for words in PARTS:
        assert any(words in line for line in found), (words, found)
    assert set(found.values()) == {"0"}, found


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
        assert "postgres ended by signal 9; its last words" in first.rest()
        assert key


def test_a_killed_valkey_comes_back_with_what_it_held_and_no_request_fails(place: Path) -> None:
    with Up(place) as up:
        key = key_in(up.announced())
        redis = Redis(unix_socket_path=up.family()[up.child(VALKEY)].partition(VALKEY)[2].strip())
        redis.set("kept", "1")
        time.sleep(1.2)  # its file is written every second

        for _ in range(2):
            demand_another(up, VALKEY, lambda: is_served(up, key))
            assert until(lambda: answers_ping(redis), 10)
            assert redis.get("kept") == b"1"

        assert up.get("/proxy/echo/hello", key) == 200
        up.stop()
        assert up.process.returncode == 0
        assert "valkey ended by signal 9; it starts again in" in up.rest()
        redis.close()


def demand_another(up: Up, words: str, served: Callable[[], bool]) -> None:
    """Kill this child: all the while requests are served, and then there is another."""
    dead = up.child(words)
    os.kill(dead, signal.SIGKILL)
    assert all(served() for _ in range(20))
    assert until(lambda: up.child(words) not in {0, dead}, 10)


def is_served(up: Up, key: str) -> bool:
    """At a pace that keeps to one process's share, 10 of the starter tier's 20 per second."""
    time.sleep(0.11)
    return up.get("/proxy/echo/hello", key) == 200


def answers_ping(redis: Redis) -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False


def answers(up: Up, path: str) -> bool:
    try:
        return up.get(path) == 200
    except HTTPError:
        return False


def test_what_was_open_when_everything_was_killed_is_in_the_log(place: Path) -> None:
    """PostgreSQL dies with the supervisor: nobody could write a row of it."""
    with Up(place, variables={"DRAIN_SECONDS": "1"}) as killed:
        key = key_in(killed.announced())
        upload = socket.create_connection(("127.0.0.1", killed.port), timeout=5)
        head = f"POST /proxy/echo/upload HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\n"
        upload.sendall(f"{head}Content-Length: 9\r\n\r\nhalf".encode())
        assert until(lambda: b"upload" in noted(place), 5)
        family = killed.family()
        killed.process.kill()
        assert all_gone(family)
        upload.close()

    with Up(place, port=killed.port) as up:
        up.announced()
        token = (place / "secrets" / "admin-token").read_text().strip()
        asked = Request(f"http://127.0.0.1:{up.port}/api/v1/admin/logs?upstream=echo")
        asked.add_header("Authorization", f"Bearer {token}")

        def rows() -> list[str]:
            with urlopen(asked, timeout=10) as answer:
                return [row["path"] for row in json.load(answer)["results"]]

        assert until(lambda: noted(place) == b"", 15), logged(place, "gateway")
        assert rows().count("/proxy/echo/upload") == 1


def logged(place: Path, name: str) -> str:
    """The end of it, for whoever reads a red test."""
    found = sorted((place / "log").glob(f"{name}*.log"))
    return "".join(path.read_text(errors="replace")[-3000:] for path in found)


def noted(place: Path) -> bytes:
    """Of calls that are open, or were when their process was killed; what was noted of one that
    ended is free, as that of `up` itself asking slowly, and begins with zeros."""
    held = [file.read_bytes() for file in (place / "open-calls").glob("*.calls")]
    pages = [data[at : at + PAGE] for data in held for at in range(PAGE, len(data), PAGE)]
    return b"".join(page for page in pages if not page.startswith(FREE))


def test_servers_that_are_given_are_used_and_nothing_is_shown_that_opens_nothing(
    place: Path,
) -> None:
    engines = start_throwaway(place / "engines")
    given = {"DATABASE_URL": engines.database_url, "REDIS_URL": engines.redis_url}
    given |= {name: SECRETS[name] for name in ("ENCRYPTION_KEY", "API_KEY_PEPPERS")}
    with Up(place / "one", variables=given) as first:
        words = first.announced()
        password = (place / "one" / "secrets" / "admin-password").read_text().strip()
        assert password in words
        assert first.get("/proxy/echo/hello", key_in(words)) == 200
        assert not any(" -D " in command for command in first.family().values())
        assert not (place / "one" / "postgres").exists()
        first.stop()

    with psycopg.connect(engines.database_url) as direct:
        direct.execute("UPDATE apikeys_apikey SET revoked_at = now()")
        direct.commit()
    with Up(place / "one", variables=given) as again:
        words = again.announced()
        again.stop()
    with Up(place / "two", variables=given) as other:
        others = other.announced()
        other.stop()
    engines.stop()

    assert password in words
    assert "opens nothing now" in words
    assert "muser_" not in words
    assert "the one that this database's admin has" in others
    assert (place / "two" / "secrets" / "admin-password").read_text().strip() not in others


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
