"""OPS-03, DUR-01: SIGHUP replaces every process, new settings and all, and no request fails."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import make
from tests.gateway.conftest import Database, Start
from tests.gateway.handshake import accepted, frame, opened
from tests.gateway.processes import Gateway, environment, request, rows_of
from tests.gateway.steady import Steady
from tests.gateway.wire import Server, Wire, within

pytestmark = pytest.mark.slow

EVENT = b"5\r\ntick\n\r\n"


@pytest.fixture(scope="module")
def watcher(database: Database) -> str:
    """A key that may read the figures."""
    with database.rows():
        return make.service_key("metrics").secret


def restart(gateway: Gateway, seconds: float = 20.0) -> list[int]:
    """Done when each child is another and accepts; those that drain are not waited for."""
    before = said(gateway, "restarted")
    gateway.process.send_signal(signal.SIGHUP)
    assert within(seconds, lambda: said(gateway, "restarted") > before), gateway.lines
    return gateway.children()


def said(gateway: Gateway, words: str) -> int:
    return sum(words in line for line in list(gateway.lines))


def instance(gateway: Gateway) -> str:
    return gateway.get("/healthz").field("x-momentry-instance")


def test_four_restarts_under_load_fail_nothing_and_lose_no_row(
    start: Start, database: Database, key: str, upstream: Server
) -> None:
    upstream.on("/ticks", tick)
    upstream.on("/room", echo)
    gateway = start(workers=2, DRAIN_SECONDS="60").wait_until_ready()
    first = gateway.children()
    stream = gateway.connect().send(request("GET", "/proxy/echo/ticks", key))
    stream.until(EVENT)
    room = opened(gateway, key, "/room")

    with Steady(gateway, key, "/proxy/echo/rolling").asking() as load:
        load.more(100)
        for _ in range(4):
            children = set(gateway.children())
            after = restart(gateway)
            load.more(100)
        assert len(set(after) - children) == 2

    assert load.failed == []
    assert load.closed > 0
    assert stream.raw_chunks() == EVENT * 24 + b"0\r\n\r\n"
    assert room.send(frame(b"still here")).exactly(12) == frame(b"still here")
    room.close()
    assert within(15, lambda: len(gateway.children()) == 2)
    assert not set(first) & set(gateway.children())
    assert gateway.stop() == 0
    assert gateway.errors() == []
    logged = [str(row["id"]) for row in rows_of(database.conninfo, "path = '/proxy/echo/rolling'")]
    assert sorted(logged) == sorted(load.done)


def tick(wire: Wire, _head: bytes) -> None:
    """Five seconds of events."""
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
    wire.send(b"Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(25):
        wire.send(EVENT)
        time.sleep(0.2)
    wire.send(b"0\r\n\r\n")


def echo(wire: Wire, _head: bytes) -> None:
    wire.send(accepted())
    wire.socket.settimeout(120)
    while wire.more():
        wire.send(wire.take(len(wire.held)))
    wire.close()


@contextlib.contextmanager
def paused(pids: list[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize(("before", "after"), [(1, 1), (2, 1), (1, 3), (3, 2)])
def test_who_waits_in_the_kernel_is_served_by_any_number_of_processes(
    start: Start, key: str, tmp_path: Path, before: int, after: int
) -> None:
    count = tmp_path / "count"
    count.write_text(f"{before}\n")
    gateway = start(workers=0, GATEWAY_WORKERS_FILE=str(count)).wait_until_ready()
    old = gateway.children()
    assert len(old) == before
    with paused(old):
        waiting = [gateway.connect() for _ in range(40)]
        for wire in waiting[::2]:
            wire.send(request("GET", "/proxy/echo/waited", key))

        count.write_text(f"{after}\n")
        restart(gateway)

        for wire in waiting[1::2]:
            wire.send(request("GET", "/proxy/echo/waited", key))
        assert [wire.answer().status for wire in waiting] == [200] * 40
        assert len(set(gateway.children()) - set(old)) == after
    assert within(5, lambda: len(gateway.children()) == after)
    assert [gateway.get("/proxy/echo/", key).status for _ in range(20)] == [200] * 20
    assert gateway.stop() == 0


def test_new_settings_hold_and_counters_go_on(
    start: Start, key: str, watcher: str, tmp_path: Path
) -> None:
    nonce = tmp_path / "nonce"
    nonce.write_text("one")
    gateway = start(MOMENTRY_NONCE_FILE=str(nonce)).wait_until_ready()
    assert instance(gateway) == "one"
    for _ in range(10):
        gateway.get("/proxy/echo/", key)
    before = figure(gateway, watcher, 'requests_total{kind="proxy",status="2xx"}')

    nonce.write_text("two")
    restart(gateway)

    assert {instance(gateway) for _ in range(10)} == {"two"}
    assert figure(gateway, watcher, 'requests_total{kind="proxy",status="2xx"}') == before == 10
    assert figure(gateway, watcher, "restarts_total") == 1
    assert figure(gateway, watcher, "crashes_total") == 0
    assert figure(gateway, watcher, "requests_in_flight") == 1


def figure(gateway: Gateway, secret: str, name: str) -> float:
    told = gateway.get("/metrics", secret).body.decode()
    wanted = f"momentry_gateway_{name} "
    return next(float(line[len(wanted) :]) for line in told.splitlines() if line.startswith(wanted))


def test_what_cannot_start_changes_nothing_and_is_said(
    start: Start, key: str, tmp_path: Path
) -> None:
    drain = tmp_path / "drain"
    drain.write_text("5")
    gateway = start(workers=2, DRAIN_SECONDS_FILE=str(drain)).wait_until_ready()
    children = gateway.children()
    drain.write_text("a while")

    with Steady(gateway, key, "/proxy/echo/refused", clients=4).asking() as load:
        gateway.process.send_signal(signal.SIGHUP)
        assert within(
            15, lambda: said(gateway, "not restarted: DRAIN_SECONDS is not a number.") > 0
        )
        load.more(50)

    assert load.failed == []
    assert gateway.children() == children
    drain.write_text("4")
    assert not set(restart(gateway)[-2:]) & set(children)


def test_what_never_gets_ready_takes_nothing_over(
    start: Start, database: Database, key: str, tmp_path: Path
) -> None:
    url = tmp_path / "url"
    url.write_text(database.url)
    given = {"DATABASE_URL_FILE": str(url), "DATABASE_URL": ""}
    gateway = start(**given).wait_until_ready()
    (old,) = gateway.children()
    url.write_text("postgresql://nobody@127.0.0.1:9/none")

    with Steady(gateway, key, "/proxy/echo/unready", clients=4).asking() as load:
        gateway.process.send_signal(signal.SIGHUP)
        fresh(gateway, [old])
        url.write_text(database.url)
        gateway.process.send_signal(signal.SIGHUP)  # for when the fresh one has been given up
        assert within(25, lambda: said(gateway, "is not ready: database_unavailable") > 0)
        assert said(gateway, "restarted") == 0
        assert old in gateway.children()
        load.more(50)
        assert within(20, lambda: said(gateway, "restarted") > 0)
        load.more(50)

    assert load.failed == []
    assert within(10, lambda: old not in gateway.children())


def test_a_fresh_process_that_is_killed_is_tried_again(start: Start, key: str) -> None:
    gateway = start(workers=2).wait_until_ready()
    old = gateway.children()

    with Steady(gateway, key, "/proxy/echo/killed", clients=4).asking() as load:
        gateway.process.send_signal(signal.SIGHUP)
        os.kill(fresh(gateway, old), signal.SIGKILL)
        assert within(20, lambda: said(gateway, "restarted") == 1)
        load.more(50)

    assert load.failed == []
    assert said(gateway, "ended with -9 before it was ready") == 1
    assert within(10, lambda: len(gateway.children()) == 2)
    assert not set(old) & set(gateway.children())


def fresh(gateway: Gateway, old: list[int]) -> int:
    """The first child of the next image; the check is one only for a moment."""
    assert within(15, lambda: said(gateway, "listening on") == 2)
    assert within(5, lambda: bool(set(gateway.children()) - set(old)))
    return (set(gateway.children()) - set(old)).pop()


def test_a_stop_in_the_middle_ends_everything_in_order(
    start: Start, database: Database, key: str
) -> None:
    gateway = start(workers=2).wait_until_ready()
    old = gateway.children()

    with Steady(gateway, key, "/proxy/echo/stopped", clients=4).asking() as load:
        load.more(20)
        gateway.process.send_signal(signal.SIGHUP)
        family = {*old, fresh(gateway, old)}
        load.over.set()
        code = gateway.stop()

    assert code == 0
    assert load.failed == []
    assert not any(Path(f"/proc/{pid}").exists() for pid in family)
    assert len(rows_of(database.conninfo, "path = '/proxy/echo/stopped'")) == len(load.done)


def test_a_second_wish_is_remembered(start: Start, key: str) -> None:
    gateway = start(workers=2).wait_until_ready()
    old = gateway.children()

    with Steady(gateway, key, "/proxy/echo/twice", clients=4).asking() as load:
        gateway.process.send_signal(signal.SIGHUP)
        between = fresh(gateway, old)
        gateway.process.send_signal(signal.SIGHUP)
        assert within(20, lambda: said(gateway, "listening on") == 3)
        assert within(20, lambda: said(gateway, "restarted") > 0)
        assert within(10, lambda: len(gateway.children()) == 2)

    assert load.failed == []
    assert not {*old, between} & set(gateway.children())


def test_a_terminal_that_goes_away_stops_it(database: Database) -> None:
    keeper, terminal = os.openpty()
    values = environment(DATABASE_URL=database.url, DJANGO_SOCKET="/nowhere")
    gateway = Gateway(values, stdin=terminal)
    try:
        gateway.wait_until_listening()
        os.close(terminal)
        os.close(keeper)
        assert gateway.stop(signal.SIGHUP) == 0
    finally:
        gateway.kill()


def test_a_slot_that_waits_delays_neither_another_nor_a_stop(start: Start) -> None:
    gateway = start(workers=2).wait_until_ready()
    steady, flaky = gateway.children()
    for _ in range(6):  # then the next one is due in 3.2 s
        flaky = another(gateway, flaky, 3)
    os.kill(flaky, signal.SIGKILL)

    another(gateway, steady, 0.5)

    began = time.monotonic()
    assert gateway.stop() == 0
    assert time.monotonic() - began < 2


def another(gateway: Gateway, victim: int, seconds: float) -> int:
    """What comes in its place when it is killed."""
    before = set(gateway.children())
    os.kill(victim, signal.SIGKILL)
    assert within(seconds, lambda: bool(set(gateway.children()) - before))
    return (set(gateway.children()) - before).pop()
