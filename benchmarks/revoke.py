"""AUTH-01: how long the answer to a revocation takes under load, and who is admitted after it.

    .venv/bin/python benchmarks/revoke.py

Four gateway processes before Django and an echo upstream, wrk at a steady rate with another key.
Each key is used on connections to all processes, revoked by DELETE /api/v1/admin/keys/ID, and
tried on all of them again. Then the same with one process stopped (SIGSTOP); what was asked of it
meanwhile is answered once it goes on, and must be refused as well.
"""

import argparse
import os
import signal
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from socket import create_connection
from typing import Final, NamedTuple
from uuid import UUID, uuid4

from load import Wrk, demand_wrk
from stage import Bounds, busy, django, echo, gateway, median, stage

from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Wire

WORKERS: Final = 4
WIRES: Final = 24  # so many that each process has some
RATES: Final = (50.0, 200.0)  # requests per second beside
MOST_P50: Final = 30.0  # milliseconds
MOST_P99: Final = 250.0
MOST_STOPPED: Final = 1250.0  # the lease and a quarter of a second
LIVE_SECONDS: Final = 0.5
RENEWED_SECONDS: Final = 1.0  # a process that goes on has renewed its lease by then


class Found(NamedTuple):
    milliseconds: list[float]
    admitted: int  # of requests that were sent after the answer
    nothing: list[float]  # milliseconds to the answer about a key that there is not
    busy: float = 0.0  # cores that the whole machine kept busy


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=200, help="revoked at each rate")
    parser.add_argument("--stops", type=int, default=10)
    given = parser.parse_args()
    demand_wrk()
    bounds = Bounds()
    with stage() as at, echo() as echo_port, django() as django_port:
        make = import_module("rows")
        make.tier("free")
        make.upstream("echo", f"http://127.0.0.1:{echo_port}")
        loud = make.member_secret("loud", "free", "echo")
        quiet = make.member_secret("quiet", "free", "echo")
        secrets = make.more_secrets(quiet, given.keys * len(RATES) + given.stops)
        load = Wrk(at.directory, [call(loud)])
        place = {"DJANGO_SOCKET": f"127.0.0.1:{django_port}"}
        with gateway(at, place, workers=WORKERS) as ours:
            for rate in RATES:
                some = [secrets.pop() for _ in range(given.keys)]
                with beside(load, ours, rate):
                    found = revoke_all(ours, some)
                report(found, rate, bounds)
            with beside(load, ours, RATES[0]):
                found = revoke_beside_a_stopped_process(ours, django_port, secrets)
        print("one of them stopped")
        slowest = max(found.milliseconds)
        bounds.check("milliseconds to the answer, most", slowest, most=MOST_STOPPED)
        bounds.check("admitted after the answer", found.admitted, most=0.5)
    return bounds.code


def report(found: Found, rate: float, bounds: Bounds) -> None:
    print(f"{WORKERS} processes, {rate:.0f} requests/s beside, {found.busy:.1f} cores busy")
    bounds.check("milliseconds to the answer, p50", p(50, found), most=MOST_P50)
    bounds.check("milliseconds to the answer, p99", p(99, found), most=MOST_P99)
    bounds.check("milliseconds to 404, where nobody waits, p50", median(found.nothing))
    bounds.check("admitted after the answer", found.admitted, most=0.5)


@contextmanager
def beside(load: Wrk, ours: Gateway, rate: float) -> Iterator[None]:
    running = load.start(ours.port, 600, connections=16, rate=rate)
    try:
        time.sleep(0.5)
        yield
    finally:
        running.kill()
        running.communicate()


def call(secret: str) -> bytes:
    return request("GET", "/proxy/echo/x", secret)


def status(wire: Wire, text: bytes) -> int:
    return wire.send(text).answer().status


def revoke(wire: Wire, secret: str) -> float:
    """Milliseconds to the answer."""
    return timed(wire, UUID(secret.split("_")[1]), 204)


def timed(wire: Wire, key_id: UUID, expected: int) -> float:
    text = request("DELETE", f"/api/v1/admin/keys/{key_id}", os.environ["ADMIN_TOKEN"])
    began = time.monotonic()
    answer = wire.send(text).answer(bodiless=expected == 204)
    if answer.status != expected:
        raise SystemExit(f"a revocation was answered {answer.status}")
    return (time.monotonic() - began) * 1000


def revoke_all(ours: Gateway, secrets: list[str]) -> Found:
    times, nothing, admitted = [], [], 0
    wires = [ours.connect() for _ in range(WIRES)]
    began, worked = time.monotonic(), busy()
    for secret in secrets:
        use(wires, secret)
        nothing.append(timed(wires[0], uuid4(), 404))
        times.append(revoke(wires[0], secret))
        admitted += sum(status(wire, call(secret)) == 200 for wire in wires)
    ours.close_wires()
    cores = (busy() - worked) / (time.monotonic() - began)
    return Found(times, admitted, nothing, cores)


def use(wires: list[Wire], secret: str) -> None:
    if {status(wire, call(secret)) for wire in wires} != {200}:
        raise SystemExit("a good key was refused")


def revoke_beside_a_stopped_process(ours: Gateway, port: int, secrets: list[str]) -> Found:
    """Asked of Django itself: nobody can tell which process would get the call."""
    times, admitted = [], 0
    for place, secret in enumerate(secrets):
        wires = [ours.connect() for _ in range(WIRES)]
        use(wires, secret)
        pid = ours.children()[place % WORKERS]
        os.kill(pid, signal.SIGSTOP)
        try:
            with closing(Wire(create_connection(("127.0.0.1", port), timeout=5))) as wire:
                times.append(revoke(wire, secret))
            live, still = parted(wires)
            for wire in still:
                wire.send(call(secret))
            admitted += sum(status(wire, call(secret)) == 200 for wire in live)
        finally:
            os.kill(pid, signal.SIGCONT)
        for wire in still:
            wire.answer()  # what was asked of it while it stood still, not with this key
            admitted += wire.answer().status == 200
        ours.close_wires()
        time.sleep(RENEWED_SECONDS)
    return Found(times, admitted, [])


def parted(wires: list[Wire]) -> tuple[list[Wire], list[Wire]]:
    """Those to processes that answer, and those to the one that does not."""
    for wire in wires:
        wire.send(request("GET", "/healthz"))
    end = time.monotonic() + LIVE_SECONDS
    live = []
    for wire in wires:
        wire.socket.settimeout(max(0.01, end - time.monotonic()))
        try:
            wire.answer()
            live.append(wire)
        except TimeoutError:
            continue
        finally:
            wire.socket.settimeout(5)
    return live, [wire for wire in wires if wire not in live]


def p(percent: int, found: Found) -> float:
    return statistics.quantiles(found.milliseconds, n=100)[percent - 1]


if __name__ == "__main__":
    sys.exit(main())
