"""When a key was last used: told soon and truly, and never by a write per request."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from tests import make
from tests.gateway.conftest import Database, Start
from tests.gateway.processes import request
from tests.gateway.wire import Server, within

COUNTING = """
CREATE TABLE seen_use (key_id uuid, version integer);
CREATE FUNCTION note_use() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO seen_use VALUES (NEW.id, NEW.version); RETURN NULL; END $$;
CREATE TRIGGER note_use AFTER UPDATE ON apikeys_apikey FOR EACH ROW EXECUTE FUNCTION note_use();
"""
UNCOUNTING = "DROP FUNCTION note_use CASCADE; DROP TABLE seen_use"


@pytest.fixture
def fresh(database: Database, seeded: str, upstream: Server) -> str:
    return database.key_for(f"use-{uuid.uuid4().hex[:8]}", "echo")


@pytest.fixture
def counted(database: Database) -> Iterator[None]:
    """Every UPDATE of a key leaves a row."""
    database.execute(COUNTING)
    yield
    database.execute(UNCOUNTING)


def key_id(secret: str) -> uuid.UUID:
    return uuid.UUID(secret.split("_")[1])


def last_use(database: Database, secret: str) -> object:
    rows = database.fetch("SELECT last_used_at FROM apikeys_apikey WHERE id = %s", key_id(secret))
    return rows[0][0]


def newest_request(database: Database, secret: str) -> object:
    rows = database.fetch(
        "SELECT max(ts) FROM apikeys_requestlog WHERE key_id = %s", key_id(secret)
    )
    return rows[0][0]


def test_a_thousand_requests_write_a_key_twice(
    start: Start, database: Database, fresh: str, counted: None
) -> None:
    version = database.fetch("SELECT version FROM apikeys_apikey WHERE id = %s", key_id(fresh))
    gateway = start().wait_until_ready()
    wire = gateway.connect()
    for _ in range(500):
        assert wire.send(request("GET", "/proxy/echo/x", fresh)).answer().status == 200
    assert within(6, lambda: last_use(database, fresh) is not None)
    for _ in range(500):
        assert wire.send(request("GET", "/proxy/echo/x", fresh)).answer().status == 200

    assert gateway.stop() == 0

    written = database.fetch("SELECT version FROM seen_use WHERE key_id = %s", key_id(fresh))
    assert written == version * 2  # soon after the first, and what was newest at the end
    assert last_use(database, fresh) == newest_request(database, fresh)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ("revoked_at = now()", "/proxy/echo/x"),
        ("scopes = '{}'", "/proxy/echo/x"),
        ("scopes = scopes", "/proxy/based/x"),
    ],
)
def test_a_refused_key_was_not_used(
    start: Start, database: Database, fresh: str, change: str, path: str
) -> None:
    database.change(f"UPDATE apikeys_apikey SET {change} WHERE id = %s", key_id(fresh))
    gateway = start().wait_until_ready()

    assert gateway.get(path, fresh).status in (401, 403)

    assert gateway.stop() == 0
    assert newest_request(database, fresh) is not None
    assert last_use(database, fresh) is None


def test_a_used_up_quota_is_no_use(start: Start, database: Database, upstream: Server) -> None:
    secret = database.key_for(f"use-{uuid.uuid4().hex[:8]}", "echo", monthly=1)
    gateway = start().wait_until_ready()
    statuses = [gateway.get("/proxy/echo/x", secret).status for _ in range(2)]

    assert gateway.stop() == 0

    (first,) = database.fetch(
        "SELECT ts FROM apikeys_requestlog WHERE key_id = %s AND status = 200", key_id(secret)
    )
    assert statuses == [200, 429]
    assert last_use(database, secret) == first[0]


@pytest.mark.parametrize(("status", "used"), [(200, True), (404, True), (403, False)])
def test_what_django_refuses_is_no_use(
    start: Start, database: Database, fresh: str, django: Server, status: int, used: bool
) -> None:
    raw = b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status
    path = f"/api/v1/things/{uuid.uuid4().hex}"
    django.on(path, lambda wire, _: wire.send(raw))
    gateway = start().wait_until_ready()

    assert gateway.get(path, fresh).status == status

    assert gateway.stop() == 0
    assert (last_use(database, fresh) is not None) is used


@pytest.mark.parametrize(("dry_run", "used"), [(False, True), (True, False)])
def test_a_key_that_is_verified_is_used_unless_it_is_only_tried(
    start: Start, database: Database, fresh: str, dry_run: bool, used: bool
) -> None:
    with database.rows():
        validator = make.service_key("validator").secret
    gateway = start().wait_until_ready()
    body = json.dumps({"key": fresh, "dry_run": dry_run}).encode()

    answer = gateway.ask(
        request(
            "POST", "/api/v1/keys/verify", validator, "Content-Type: application/json", body=body
        )
    )

    assert json.loads(answer.body)["valid"] is True
    assert gateway.stop() == 0
    assert (last_use(database, fresh) is not None) is used
    assert last_use(database, validator) is not None


def test_a_later_use_of_another_process_stays(start: Start, database: Database, fresh: str) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    database.change(
        "UPDATE apikeys_apikey SET last_used_at = %s WHERE id = %s", later, key_id(fresh)
    )
    gateway = start().wait_until_ready()
    gateway.get("/proxy/echo/x", fresh)

    assert gateway.stop() == 0

    assert last_use(database, fresh) == later


def test_a_row_that_is_held_delays_neither_the_log_nor_other_keys(
    start: Start, database: Database, fresh: str
) -> None:
    other = database.key_for(f"use-{uuid.uuid4().hex[:8]}", "echo")
    gateway = start().wait_until_ready()
    with psycopg.connect(database.conninfo) as holder:
        holder.execute("SELECT 1 FROM apikeys_apikey WHERE id = %s FOR UPDATE", [key_id(fresh)])
        assert [gateway.get("/proxy/echo/x", key).status for key in (fresh, other)] == [200, 200]
        assert within(2, lambda: newest_request(database, fresh) is not None)
        assert within(6, lambda: last_use(database, other) is not None)
        assert last_use(database, fresh) is None

    assert within(6, lambda: last_use(database, fresh) == newest_request(database, fresh))


def test_a_table_that_is_locked_loses_no_row_of_the_log(
    start: Start, database: Database, fresh: str, key: str
) -> None:
    gateway = start(DB_ACQUIRE_TIMEOUT_SECONDS="1").wait_until_ready()
    assert gateway.get("/proxy/echo/x", fresh).status == 200
    with psycopg.connect(database.conninfo) as holder:
        holder.execute("LOCK TABLE apikeys_apikey IN EXCLUSIVE MODE")
        assert within(3, lambda: newest_request(database, fresh) is not None)
        assert within(6, lambda: any("last uses" in line for line in gateway.lines))
        assert last_use(database, fresh) is None

    assert within(6, lambda: last_use(database, fresh) is not None)
    assert gateway.errors() == []
