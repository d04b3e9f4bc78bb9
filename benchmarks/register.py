"""POST /api/v1/register beside a bare DRF view that makes the same statements.

    .venv/bin/python benchmarks/register.py

Both are one Django process under uvicorn with the same PostgreSQL, and take turns; ours has its
gateway before it. Each client is a member of its own and registers files that were not known.
"""

import argparse
import http.client
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Final, NamedTuple

from stage import Bounds, Meter, Spent, Stage, beside, free_port, gateway, median, stage

CLIENTS: Final = 8
WARM_UP: Final = 10  # calls of each client that are not counted
MOST_RATIO: Final = 1.5
LEAST_RATE: Final = 80.0
files: Final = count()


class Side(NamedTuple):
    """``pid``: of its Django; ``fields``: of each client's requests."""

    name: str
    port: int
    pid: int
    fields: list[dict[str, str]]


class Turn(NamedTuple):
    spent: Spent
    seconds: float
    calls: int

    def each(self, cpu: float) -> float:
        return cpu / self.calls * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--calls", type=int, default=60, help="of each of 8 clients, in a turn")
    given = parser.parse_args()
    with stage() as at:
        keys = [make_key(number) for number in range(CLIENTS)]
        with ours(at, keys) as mine, theirs(keys) as bare:
            for side in (mine, bare):
                take_turn(at, side, WARM_UP)
            found: dict[str, list[Turn]] = {mine.name: [], bare.name: []}
            for _ in range(given.turns):
                for side in (mine, bare):
                    found[side.name].append(take_turn(at, side, given.calls))
    return report(found)


def make_key(number: int) -> tuple[str, str]:
    """The id and the secret of a member who has neither limits nor a quota."""
    from accounts.models import User  # noqa: PLC0415  once the stage is set
    from tests import make  # noqa: PLC0415  as above

    member = make.member(f"member{number}", tier="enterprise")
    User.objects.filter(pk=member.pk).update(quota_size=None)
    made = make.key(member)
    return made.key.pk.hex, made.secret


@contextmanager
def ours(at: Stage, keys: list[tuple[str, str]]) -> Iterator[Side]:
    port = free_port()
    place = f"127.0.0.1:{port}"
    os.environ["MOMENTRY_NO_VENV"] = "1"
    with (
        beside([sys.executable, "manage.py", "serve", "--socket", place], port) as pid,
        gateway(at, {"DJANGO_SOCKET": place}) as front,
    ):
        yield Side("register", front.port, pid, [{"X-API-Key": secret} for _, secret in keys])


@contextmanager
def theirs(keys: list[tuple[str, str]]) -> Iterator[Side]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--app-dir", "benchmarks", "--no-access-log",
               "--port", str(port), "--loop", "uvloop", "bare_register:application"]  # fmt: skip
    with beside(command, port) as pid:
        yield Side("bare view", port, pid, [{"X-Key-Id": key} for key, _ in keys])


def take_turn(at: Stage, side: Side, calls: int) -> Turn:
    meter, began = Meter(at, [side.pid]), time.monotonic()
    failed: list[object] = []
    threads = [
        threading.Thread(target=client, args=(side.port, fields, calls, failed))
        for fields in side.fields
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise SystemExit(f"{side.name}: {failed[0]}")
    return Turn(meter.spent(), time.monotonic() - began, calls * len(threads))


def client(port: int, fields: dict[str, str], calls: int, failed: list[object]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for _ in range(calls):
        body = json.dumps({"path": f"/{next(files)}.mp4", "size": 1000})
        try:
            headers = {"Content-Type": "application/json", **fields}
            connection.request("POST", "/api/v1/register", body, headers)
            answer = connection.getresponse()
            said = answer.read()
        except OSError as error:
            failed.append(error)
            return
        if answer.status != 201:
            failed.append(said)
            return
    connection.close()


def report(found: dict[str, list[Turn]]) -> int:
    bounds = Bounds()
    cpu: dict[str, float] = {}
    rate: dict[str, float] = {}
    for name, turns in found.items():
        cpu[name] = median([turn.each(turn.spent.server) for turn in turns])
        rate[name] = median([turn.calls / turn.seconds for turn in turns])
        bounds.check(f"{name}: ms of CPU of Django for each file", cpu[name])
        postgres = median([turn.each(turn.spent.postgres) for turn in turns])
        bounds.check(f"{name}: ms of CPU of PostgreSQL", postgres)
        bounds.check(f"{name}: files per second", rate[name])
    mine, bare = found
    bounds.check("CPU, over the bare view's", cpu[mine] / cpu[bare], most=MOST_RATIO)
    bounds.check("files per second on one Django process", rate[mine], least=LEAST_RATE)
    return bounds.code


if __name__ == "__main__":
    sys.exit(main())
