"""DUR-01, DUR-09: start in any order, stop without loss, children that are replaced."""

import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from tests.common.slices import SHORT, slice_of
from tests.gateway.conftest import Database, Start
from tests.gateway.processes import Gateway, environment, request, rows_of
from tests.gateway.wire import Server, Wire, within

pytestmark = pytest.mark.slow

NOWHERE = "postgresql://nobody:secret-word@127.0.0.1:9/none"


def test_an_idle_stop_is_quick_and_leaves_no_process(start: Start) -> None:
    def seconds_to_stop() -> float:
        gateway = start(workers=2).wait_until_ready()
        children = gateway.children()
        assert len(children) == 2
        began = time.monotonic()
        assert gateway.stop() == 0
        elapsed = time.monotonic() - began
        assert not any(Path(f"/proc/{pid}").exists() for pid in children)
        return elapsed

    assert min(seconds_to_stop() for _ in range(3)) < 0.8


def test_each_child_goes_first_when_it_wakes(start: Start) -> None:
    gateway = start(workers=2).wait_until_ready()

    assert [slice_of(child) for child in gateway.children()] == [SHORT, SHORT]


def call(gateway: Gateway, key: str, done: list[str], failed: list[Exception]) -> None:
    """As a client with keep-alive does: a new connection when the answer says so."""
    wire = gateway.connect()
    while True:
        try:
            answer = wire.send(request("GET", "/proxy/echo/stopping", key)).answer()
            done.append(answer.field("x-request-id"))
            if answer.field("connection") == "close":
                wire = gateway.connect()
        except ConnectionRefusedError:
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a failed request
            failed.append(error)
            return


def test_a_stop_loses_no_row_and_fails_no_request(
    start: Start, database: Database, key: str
) -> None:
    gateway = start(workers=2).wait_until_ready()
    done: list[str] = []
    failed: list[Exception] = []
    threads = [threading.Thread(target=call, args=[gateway, key, done, failed]) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    code = gateway.stop()
    for thread in threads:
        thread.join()

    assert code == 0
    assert failed == []
    assert len(rows_of(database.conninfo, "id = ANY(%s::uuid[])", done)) == len(done) > 50


def test_a_request_in_flight_may_end(start: Start, key: str, upstream: Server) -> None:
    def slow(wire: Wire, _head: bytes) -> None:
        time.sleep(1)
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")

    upstream.on("/slow", slow)
    gateway = start().wait_until_ready()
    idle = gateway.connect()
    idle.send(request("GET", "/healthz")).answer()
    wire = gateway.connect().send(request("GET", "/proxy/echo/slow", key))
    assert within(2, lambda: bool(upstream.heads_of("/slow")))

    gateway.process.send_signal(signal.SIGTERM)

    answer = wire.answer()
    assert (answer.body, answer.field("connection")) == (b"late", "close")
    assert idle.is_closed_within(2)
    assert gateway.stop() == 0


def test_what_does_not_end_in_time_is_cut_and_logged(
    start: Start, database: Database, key: str, upstream: Server
) -> None:
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun"
    upstream.on("/endless", lambda wire, _: wire.send(begun).is_closed_within(10))
    upstream.on("/silent", lambda wire, _: wire.is_closed_within(10))

    def seconds_to_stop() -> float:
        gateway = start(DRAIN_SECONDS="0.5").wait_until_ready()
        streaming = gateway.connect().send(request("GET", "/proxy/echo/endless", key))
        streaming.until(b"begun")
        seen = len(upstream.heads_of("/silent"))
        waiting = gateway.connect().send(request("GET", "/proxy/echo/silent", key))
        assert within(2, lambda: len(upstream.heads_of("/silent")) > seen)
        began = time.monotonic()
        assert gateway.stop() == 0
        elapsed = time.monotonic() - began
        assert waiting.answer().status == 503
        assert streaming.is_closed_within(1)
        return elapsed

    assert min(seconds_to_stop() for _ in range(3)) < 2
    rows = rows_of(database.conninfo, "path IN ('/proxy/echo/endless', '/proxy/echo/silent')")
    assert {row["code"] for row in rows} == {"overloaded"}


def test_a_killed_child_is_replaced_on_the_same_port(start: Start) -> None:
    gateway = start(workers=2).wait_until_ready()
    victim, other = gateway.children()

    os.kill(victim, signal.SIGKILL)

    assert within(3, lambda: len(set(gateway.children()) - {victim, other}) == 1)
    assert all(gateway.get("/healthz").status == 200 for _ in range(20))


def test_children_end_with_a_killed_parent(start: Start) -> None:
    gateway = start(workers=2).wait_until_ready()
    children = gateway.children()

    gateway.process.kill()
    gateway.process.wait()

    assert within(3, lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))


def test_without_a_database_it_runs_and_says_503(start: Start, key: str) -> None:
    gateway = start(DATABASE_URL=NOWHERE, DB_ACQUIRE_TIMEOUT_SECONDS="0.2").wait_until_listening()

    health, ready = gateway.get("/healthz"), gateway.get("/readyz")
    refused = gateway.get("/proxy/echo/", key)

    assert (health.status, ready.status, refused.status) == (200, 503, 503)
    assert b'"database_unavailable"' in refused.body
    assert refused.field("retry-after")
    assert gateway.get("/admin/").status == 200
    assert gateway.stop() == 0
    assert "secret-word" not in "".join(gateway.lines)


def test_it_recovers_when_the_database_comes(start: Start, database: Database, key: str) -> None:
    def allow(answer: str) -> None:
        server.execute(f'ALTER DATABASE "{database.name}" ALLOW_CONNECTIONS {answer}')

    server = Database(database.blocker, "postgres")
    allow("false")
    try:
        gateway = start(DB_ACQUIRE_TIMEOUT_SECONDS="0.3").wait_until_listening()
        time.sleep(3)
        assert gateway.get("/proxy/echo/", key).status == 503
    finally:
        allow("true")

    assert within(5, lambda: gateway.get("/proxy/echo/", key).status == 200)


def test_it_recovers_when_its_connections_are_cut(
    start: Start, database: Database, key: str
) -> None:
    gateway = start().wait_until_ready()
    assert gateway.get("/proxy/echo/", key).status == 200

    database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    assert within(5, lambda: gateway.get("/proxy/echo/", key).status == 200)
    answer = gateway.get("/proxy/echo/", key)
    identity = answer.field("x-request-id")
    assert within(3, lambda: bool(rows_of(database.conninfo, "id = %s", identity)))


def test_readiness_waits_for_every_migration(start: Start, database: Database) -> None:
    gateway = start().wait_until_ready()
    database.execute("UPDATE django_migrations SET app = 'gone' WHERE app = 'proxy'")
    try:
        answer = gateway.get("/readyz")
    finally:
        database.execute("UPDATE django_migrations SET app = 'proxy' WHERE app = 'gone'")

    assert answer.status == 503
    assert b"migrations are not applied" in answer.body
    assert gateway.get("/readyz").status == 200


def test_a_changed_upstream_counts_within_a_second(
    start: Start, database: Database, key: str
) -> None:
    gateway = start().wait_until_ready()
    assert gateway.get("/proxy/brief/", key).status == 200

    database.change("UPDATE proxy_upstream SET is_active = false WHERE slug = 'brief'")
    try:
        assert within(1, lambda: gateway.get("/proxy/brief/", key).status == 503)
    finally:
        database.change("UPDATE proxy_upstream SET is_active = true WHERE slug = 'brief'")


@pytest.mark.parametrize("first", ["127.0.0.1", ""])
def test_a_taken_port_is_one_sentence(start: Start, first: str) -> None:
    with socket.create_server((first, 0)) as taken:
        port = taken.getsockname()[1]
        gateway = start(PORT=str(port))
        code = gateway.process.wait(timeout=10)
        gateway.reader.join()

    assert code == 1
    assert gateway.lines == [f"PORT {port} on 127.0.0.1 is taken by another process.\n"]


def test_a_second_gateway_on_the_port_is_refused(start: Start) -> None:
    gateway = start().wait_until_listening()

    assert start(PORT=str(gateway.port)).process.wait(timeout=10) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENCRYPTION_KEY", ""),
        ("ENCRYPTION_KEY", "short-secret"),
        ("API_KEY_PEPPERS", "1:short-secret"),
        ("API_KEY_HASHER", "bcrypt"),
        ("ADMIN_TOKEN", "short-secret"),
        ("DATABASE_URL", "mysql://x:short-secret@h/d"),
        ("DJANGO_SOCKET", "relative"),
        ("TRUSTED_PROXIES", "everybody"),
        ("EGRESS_ALLOW", "127.1"),
        ("BIND", "localhost?"),
        ("PORT", "70000"),
        ("DRAIN_SECONDS", "-1"),
        ("QUOTA_TIMEZONE", "Mars/Base"),
    ],
)
def test_a_bad_setting_is_named_and_stops_the_start(start: Start, name: str, value: str) -> None:
    gateway = start(**{name: value})

    code = gateway.process.wait(timeout=10)
    gateway.reader.join()

    assert code == 1
    assert len(gateway.lines) == 1
    assert gateway.lines[0].startswith(name)
    assert "short-secret" not in gateway.lines[0]


def test_production_demands_an_admin_token(database: Database) -> None:
    values = environment(DATABASE_URL=database.url, DJANGO_SOCKET="/x", MOMENTRY_ENV="production")
    gateway = Gateway({name: value for name, value in values.items() if name != "ADMIN_TOKEN"})

    try:
        assert gateway.process.wait(timeout=10) == 1
    finally:
        gateway.kill()
    assert gateway.lines == ["ADMIN_TOKEN is missing.\n"]
