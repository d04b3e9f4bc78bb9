"""What 10,000 upstreams and 100,000 grants change for the gate. One command:

    .venv/bin/python benchmarks/upstreams.py

One gateway process with one upstream, then with all of them (each with a target and a credential),
then with one again: CPU per request (the process's and PostgreSQL's, what they spend idle told
apart), the longest that anybody waits while one upstream of them changes, and how long the change
takes until it is answered.
"""

import argparse
import sys
import threading
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from load import Wrk
from stage import Bounds, Meter, Stage, echo, gateway, median, stage

from tests.gateway.processes import Gateway, request

UPSTREAMS, GRANTS = 10_000, 100_000
ROUNDS: Final = 5
SECONDS: Final = 4
CHANGES: Final = 10
EXAMPLE: Final = "sk-0123456789abcdef"


class Figures(NamedTuple):
    """CPU in microseconds per request; idle in milliseconds per second; times in milliseconds."""

    server: float
    postgres: float
    idle: float
    wait: float
    change: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upstreams", type=int, default=UPSTREAMS)
    parser.add_argument("--grants", type=int, default=GRANTS)
    given = parser.parse_args()
    bounds = Bounds()
    with stage() as at, echo() as port:
        secret = make_one(port)
        with gateway(at) as made:
            few = measure(at, made, secret)
            fill(given.upstreams, given.grants)
            many = measure(at, made, secret)
            empty()
            again = measure(at, made, secret)
    base = Figures(*((one + two) / 2 for one, two in zip(few, again, strict=True)))
    for name, value, other in zip(Figures._fields, base, many, strict=True):
        print(f"  {name:10} one upstream {value:9.2f}   {given.upstreams} {other:9.2f}")
    bounds.check("CPU of a request, the gateway's: ratio", many.server / base.server, most=1.1)
    bounds.check("longest wait while an upstream changes, ms", many.wait, most=250)
    bounds.check("a change until it is answered, ms", many.change, most=1000)
    return bounds.code


def batched(count: int) -> Iterator[range]:
    for first in range(0, count, 1000):
        yield range(first, min(first + 1000, count))


def make_one(port: int) -> str:
    from apikeys.models import Grant  # noqa: PLC0415  after django.setup()
    from tests import make  # noqa: PLC0415

    make.upstream("echo", f"http://127.0.0.1:{port}", credential="sk-of-echo", injection="header")
    member = make.member("bench")
    Grant.objects.create(member=member, upstream="echo")
    return make.key(member).secret


def fill(upstreams: int, grants: int) -> None:
    """As many members as grants: nobody has all of them."""
    from accounts.models import User  # noqa: PLC0415
    from apikeys.models import Grant  # noqa: PLC0415
    from proxy.models import Target, TargetCredential, Upstream  # noqa: PLC0415

    for numbers in batched(upstreams):
        made = Upstream.objects.bulk_create(
            [Upstream(slug=f"u-{n}", name="x", injection="header") for n in numbers]
        )
        targets = Target.objects.bulk_create(
            [Target(upstream=row, base_url=f"http://h{row.slug}.test") for row in made]
        )
        TargetCredential.objects.bulk_create(
            [TargetCredential(target=row, secret=EXAMPLE) for row in targets]
        )
    members = max(1, grants // 10)
    for numbers in batched(members):
        owners = User.objects.bulk_create(
            [User(username=f"m-{n}", tier="starter") for n in numbers]
        )
        Grant.objects.bulk_create(
            [
                Grant(member=owner, upstream=f"u-{(at * 10 + n) % upstreams}")
                for at, owner in enumerate(owners)
                for n in range(10)
            ]
        )


def empty() -> None:
    from apikeys.models import Grant  # noqa: PLC0415
    from proxy.models import Upstream  # noqa: PLC0415

    Upstream.objects.filter(slug__startswith="u-").delete()
    Grant.objects.filter(upstream__startswith="u-").delete()


def measure(at: Stage, made: Gateway, secret: str) -> Figures:
    time.sleep(3)  # until it has read what changed
    wrk = Wrk(at.directory, [request("GET", "/proxy/echo/", secret)])
    wrk.run(made.port, 1)
    meter = Meter(at, made.children())
    time.sleep(SECONDS)
    still = meter.spent()
    server, postgres = [], []
    for _ in range(ROUNDS):
        meter = Meter(at, made.children())
        load = wrk.run(made.port, SECONDS)
        spent = meter.spent()
        share = load.seconds / SECONDS
        server.append((spent.server - still.server * share) * 1e6 / load.requests)
        postgres.append((spent.postgres - still.postgres * share) * 1e6 / load.requests)
    wait, change = change_one(made, secret)
    idle = (still.server + still.postgres) * 1000 / SECONDS
    return Figures(median(server), median(postgres), idle, wait, change)


def change_one(made: Gateway, secret: str) -> tuple[float, float]:
    """The longest wait of a client that asks without pause, and the median of changes."""
    from proxy.services.upstreams import change_upstream  # noqa: PLC0415

    over, waits, changes = threading.Event(), [0.0], []

    def ask() -> None:
        wire = made.connect()
        while not over.is_set():
            began = time.monotonic()
            wire.send(request("GET", "/proxy/echo/", secret)).answer()
            waits.append((time.monotonic() - began) * 1000)

    thread = threading.Thread(target=ask)
    thread.start()
    for number in range(CHANGES):
        began = time.monotonic()
        change_upstream("echo", {"name": f"echo {number}"}, actor="benchmark")
        changes.append((time.monotonic() - began) * 1000)
        time.sleep(0.2)
    over.set()
    thread.join()
    return max(waits), median(changes)


if __name__ == "__main__":
    sys.exit(main())
