"""keys/verify against Django REST framework with djangorestframework-api-key, on one core each.

    .venv/bin/python benchmarks/keys_verify.py

Needs wrk, and a package index for the other side's packages (requirements.txt here), which go into
a virtual environment in a temporary directory; --venv keeps one. Both sides have one process on the
same core, the same PostgreSQL, the same client, and take turns.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Final, NamedTuple

import psycopg
from load import Load, Wrk, demand_wrk
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from stage import (
    Bounds,
    Meter,
    Spent,
    Stage,
    beside,
    children,
    free_port,
    gateway,
    median,
    pin,
    stage,
)

HERE: Final = Path(__file__).resolve().parent
KEYS: Final = 100
LEAST: Final = 10.0


class Case(NamedTuple):
    name: str
    port: int
    pid: int
    wrk: Wrk


class Peer(NamedTuple):
    port: int
    pid: int
    python: Path


class Turn(NamedTuple):
    load: Load
    spent: Spent

    def each(self, seconds: float) -> float:
        """Microseconds of one request."""
        return seconds / self.load.requests * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--venv", type=Path, help="keep the other side's packages here")
    given = parser.parse_args()
    demand_wrk()
    with stage(pinned=True) as at:
        python = make_venv(given.venv or at.directory / "venv")
        with gateway(at) as ours, peer(at, python) as theirs:
            pin([*ours.children(), theirs.pid, *children(theirs.pid)])
            cases = our_cases(at, ours.port, ours.children()[0]) + peer_cases(at, theirs)
            found = take_turns(at, cases, given.turns, given.seconds)
        return report(found)


def our_cases(at: Stage, port: int, pid: int) -> list[Case]:
    make = import_module("rows")
    caller = make.service_secret("validator")
    free = [make.member_secret(f"free-{n}", "enterprise") for n in range(KEYS)]
    make.tier("counted", requests_per_month=10**9)
    counted = [make.member_secret(f"counted-{n}", "counted") for n in range(KEYS)]

    def case(name: str, keys: list[str], **more: object) -> Case:
        bodies = [json.dumps({"key": key, **more}).encode() for key in keys]
        raw = [post("/api/v1/keys/verify", f"Bearer {caller}", body) for body in bodies]
        found = Case(name, port, pid, Wrk(at.directory, raw))
        demand_valid(found, "/api/v1/keys/verify", f"Bearer {caller}", bodies[0])
        return found

    return [
        case("momentry, key without limits", free),
        case("momentry, key with a month's limit", counted),
        case("momentry, dry run of it", counted, dry_run=True),
    ]


def peer_cases(at: Stage, theirs: Peer) -> list[Case]:
    made = subprocess.run(
        [theirs.python, HERE / "peer.py", "keys", str(KEYS + 1)], stdout=subprocess.PIPE, check=True
    )
    caller, *keys = made.stdout.decode().split()
    shown = [post("/shown", f"Api-Key {key}", b"{}") for key in keys]
    bodies = [json.dumps({"key": key}).encode() for key in keys]
    asked = [post("/asked", f"Api-Key {caller}", body) for body in bodies]
    cases = [
        Case("DRF, HasAPIKey", theirs.port, theirs.pid, Wrk(at.directory, shown)),
        Case(
            "DRF, HasAPIKey and a key asked about",
            theirs.port,
            theirs.pid,
            Wrk(at.directory, asked),
        ),
    ]
    demand_valid(cases[0], "/shown", f"Api-Key {keys[0]}", b"{}")
    demand_valid(cases[1], "/asked", f"Api-Key {caller}", bodies[0])
    return cases


def post(path: str, authorization: str, body: bytes) -> bytes:
    lines = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {authorization}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return lines.encode() + body


def demand_valid(case: Case, path: str, authorization: str, body: bytes) -> None:
    url = f"http://127.0.0.1:{case.port}{path}"
    headers = {"Authorization": authorization, "Content-Type": "application/json"}
    asked = urllib.request.Request(url, body, headers)
    with urllib.request.urlopen(asked) as answer:  # noqa: S310  our own server
        if not json.load(answer)["valid"]:
            raise SystemExit(f"{case.name}: the key is not valid")


def make_venv(directory: Path) -> Path:
    python = directory / "bin" / "python"
    if not python.exists():
        print("installing the other side's packages", flush=True)
        subprocess.run([sys.executable, "-m", "venv", directory], check=True)
        wanted = HERE / "requirements.txt"
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", wanted], check=True)
    return python


@contextlib.contextmanager
def peer(at: Stage, python: Path) -> Iterator[Peer]:
    """gunicorn with one worker. Of its kinds of workers "gthread" keeps the clients' connections
    open, and one thread was quicker than 2, 4 or 16."""
    name = str(conninfo_to_dict(at.database_url)["dbname"])
    with psycopg.connect(at.database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier("peer")))
    os.environ["PEER_DATABASE_URL"] = at.database_url.replace(f"/{name}?", "/peer?")
    port = free_port()
    place: list[str | Path] = ["--chdir", HERE, "--bind", f"127.0.0.1:{port}"]
    kind = ["--workers", "1", "--worker-class", "gthread", "--threads", "1", "--keep-alive", "60"]
    command = [python, "-m", "gunicorn", *place, *kind, "peer:application"]
    with beside(command, port) as pid:
        yield Peer(port, pid, python)


def take_turns(at: Stage, cases: list[Case], turns: int, seconds: int) -> dict[str, list[Turn]]:
    """The first turn only warms up."""
    found: dict[str, list[Turn]] = {case.name: [] for case in cases}
    for number in range(turns + 1):
        for case in cases:
            meter = Meter(at, [case.pid])
            load = case.wrk.run(case.port, seconds if number else 1)
            if load.refused:
                raise SystemExit(f"{case.name}: {load.refused} refusals")
            if number:
                found[case.name].append(Turn(load, meter.spent()))
    return found


def report(found: dict[str, list[Turn]]) -> int:
    print(f"{'medians of turns':40} requests/s   p50 ms   p99 ms   CPU µs: server  PostgreSQL")
    for name, turns in found.items():
        rate = median([turn.load.rate for turn in turns])
        p50, p99 = median([t.load.p50 for t in turns]), median([t.load.p99 for t in turns])
        server = median([turn.each(turn.spent.server) for turn in turns])
        database = median([turn.each(turn.spent.postgres) for turn in turns])
        print(f"  {name:40} {rate:8.0f} {p50:8.1f} {p99:8.1f} {server:16.0f} {database:11.0f}")
    bounds = Bounds()
    *ours, shown, asked = found
    print("\nratios, median of turns")
    for name in ours:
        for other in (shown, asked):
            label = f"{name.removeprefix('momentry, ')} / {other.removeprefix('DRF, ')}"
            pairs = list(zip(found[name], found[other], strict=True))
            rates = [a.load.rate / b.load.rate for a, b in pairs]
            spent = [b.each(b.spent.server) / a.each(a.spent.server) for a, b in pairs]
            bounds.check(f"rate: {label}", median(rates), least=LEAST)
            bounds.check(f"CPU: {label}", median(spent), least=LEAST)
    return bounds.code


if __name__ == "__main__":
    sys.exit(main())
