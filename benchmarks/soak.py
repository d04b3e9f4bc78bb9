"""DUR-13: does anything grow under half an hour of mixed traffic?

    .venv/bin/python benchmarks/soak.py [MINUTES] [--workers N]

One gateway process (or several: their figures are summed) before Django and an upstream, on engines
of their own, with traffic of every kind at a modest steady pace: JSON, streams, uploads and
downloads, refusals, malformed heads, clients that leave, keys that are made and revoked,
WebSockets. Every ten seconds it notes memory (Pss), descriptors and threads of gateway and Django,
requests in flight, log rows that wait, keys in Valkey and connections to PostgreSQL. Growth is the
median of the last third of the second half over that of its first third. Afterwards the traffic
ends, and nothing of it may be left.
"""

import argparse
import re
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

import psycopg
from redis import Redis
from soak_traffic import Traffic
from stage import Bounds, Stage, beside, cpu, django, free_port, gateway, median, stage

from tests.gateway.processes import Gateway, request

EVERY_SECONDS: Final = 10.0
FAULTS_SHOWN: Final = 10
QUIET_SECONDS: Final = 8.0  # unused connections to upstreams have ended by then
MIB: Final = 4.0
FEW: Final = 4.0  # descriptors, threads, connections
KEYS: Final = 50.0
LOCKOUT_SECONDS: Final = "60"  # else the addresses of a quarter of an hour would pile up in Valkey
REMEMBERED: Final = "300"  # keys: so many come in two minutes, then each replaces another
PROVEN: Final = b":proven:"  # an hour long one for each key that was used: they come and go
FIGURE: Final = r"^momentry_gateway_{}(?:_total)? (\S+)$"
BACKENDS_SQL: Final = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


class Sample(NamedTuple):
    gateway_mib: float
    gateway_descriptors: float
    gateway_threads: float
    django_mib: float
    django_descriptors: float
    django_threads: float
    connections: float
    requests_in_flight: float
    log_rows_waiting: float
    valkey_keys: float
    postgresql_connections: float


MOST: Final = Sample(MIB, FEW, FEW, 2 * MIB, FEW, FEW, FEW, FEW, 100.0, KEYS, FEW)
# Between before and after: nothing is under way, and caches have filled.
LEFT: Final = {"gateway_descriptors": FEW, "connections": 0.5, "requests_in_flight": 0.5,
               "log_rows_waiting": 0.5}  # fmt: skip


class Watch:
    """Looks at the gateway's processes, the Django behind them and their engines."""

    def __init__(self, at: Stage, ours: Gateway, behind: int, metrics: str) -> None:
        self.ours = ours
        self.pids = ours.children()
        self.behind = behind
        self.metrics = metrics
        self.valkey = Redis.from_url(at.redis_url)
        self.database = psycopg.connect(at.database_url, autocommit=True)

    def look(self) -> Sample:
        text = self.figures()
        row = self.database.execute(BACKENDS_SQL).fetchone()
        return Sample(
            sum(pss_mib(pid) for pid in self.pids),
            sum(entries(pid, "fd") for pid in self.pids),
            sum(entries(pid, "task") for pid in self.pids),
            pss_mib(self.behind),
            entries(self.behind, "fd"),
            entries(self.behind, "task"),
            figure(text, "connections"),
            figure(text, "requests_in_flight"),
            figure(text, "log_rows_waiting"),
            float(sum(1 for key in self.valkey.scan_iter() if PROVEN not in key)),
            float(row[0]) if row else 0.0,
        )

    def figures(self) -> str:
        answer = self.ours.ask(request("GET", "/metrics", self.metrics))
        self.ours.close_wires()
        return answer.body.decode()


def pss_mib(pid: int) -> float:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.findall(r"^Pss: +(\d+)", text, re.MULTILINE)[0]) / 1024


def entries(pid: int, kind: str) -> float:
    return float(sum(1 for _ in Path(f"/proc/{pid}/{kind}").iterdir()))


def figure(text: str, name: str) -> float:
    return float(re.findall(FIGURE.format(name), text, re.MULTILINE)[0])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", type=float, nargs="?", default=30)
    parser.add_argument("--workers", type=int, default=1, help="processes of the gateway")
    given = parser.parse_args()
    port = free_port()
    upstream = [sys.executable, str(Path(__file__).with_name("soak_upstream.py")), str(port)]
    with stage() as at, beside(upstream, port), django() as behind:
        make = import_module("rows")
        make.upstream("soak", f"http://127.0.0.1:{port}", credential="secret")
        environment = {
            "DJANGO_SOCKET": f"127.0.0.1:{behind}",
            "TRUSTED_PROXIES": "127.0.0.1",
            "RATE_LIMIT_WINDOW_SECONDS": LOCKOUT_SECONDS,
            "CACHE_MAX_CAPACITY": REMEMBERED,
        }
        with gateway(at, environment, workers=given.workers) as ours:
            watch = Watch(at, ours, listener_of(behind), make.service_secret("metrics"))
            return soak(watch, traffic_of(make, ours.port), given.minutes * 60)


def listener_of(port: int) -> int:
    """The process that listens there: the youngest child of ours that says so."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        words = path.read_bytes().split(b"\0")
        if b"uvicorn" in words and str(port).encode() in words:
            return int(path.parent.name)
    raise SystemExit("Django's process is not to be found")


def traffic_of(make: Any, port: int) -> Traffic:
    make.tier("free")
    make.tier("tight", requests_per_minute=5)
    make.tier("limited", requests_per_month=10**9, requests_per_second=40, concurrent_requests=40)
    return Traffic(
        port,
        make.member_secret("alice", "free", "soak"),
        make.member_secret("bob", "limited", "soak"),
        make.member_secret("carol", "tight", "soak"),
        owner_of(make),
    )


def owner_of(make: Any) -> Any:
    """Of the keys that come and go."""
    make.member_secret("dave", "free", "soak")
    return import_module("accounts.models").User.objects.get(username="dave")


def soak(watch: Watch, traffic: Traffic, seconds: float) -> int:
    before, worked = watch.look(), cpu(watch.pids)
    print("   minute  " + "  ".join(Sample._fields), flush=True)
    with traffic.flowing():
        samples = sampled(watch, seconds)
    spent = cpu(watch.pids) - worked
    time.sleep(QUIET_SECONDS)
    after, bounds = watch.look(), Bounds()
    print(f"{sum(traffic.counts.values())} actions: {traffic.counts}")
    bounds.check("per cent of a core that the gateway spent", spent / seconds * 100)
    judge(samples[len(samples) // 2 :], bounds, len(watch.pids))
    for name, most in LEFT.items():
        left = getattr(after, name) - getattr(before, name)
        bound = most * share_of(name, len(watch.pids))
        bounds.check(f"left when the traffic is over: {name}", left, most=bound)
    exceptions = figure(watch.figures(), "exceptions")
    bounds.check("unexpected exceptions", exceptions, most=0.5)
    bounds.check("answers that were not as they must be", len(traffic.faults), most=0.5)
    for fault in traffic.faults[:FAULTS_SHOWN]:
        print(f"    {fault}")
    return bounds.code


def sampled(watch: Watch, seconds: float) -> list[Sample]:
    began, found = time.monotonic(), [watch.look()]
    while (past := time.monotonic() - began) < seconds:
        time.sleep(min(EVERY_SECONDS, seconds - past))
        found.append(watch.look())
        if len(found) % 6 == 1:
            line = "  ".join(f"{value:.1f}" for value in found[-1])
            print(f"{(time.monotonic() - began) / 60:9.1f}  {line}", flush=True)
    return found


def share_of(name: str, processes: int) -> int:
    """How many processes a figure is the sum of, each with a bound of its own."""
    return processes if name.startswith("gateway_") else 1


def judge(half: list[Sample], bounds: Bounds, processes: int) -> None:
    third = max(1, len(half) // 3)
    for place, name in enumerate(Sample._fields):
        grown = middle(half[-third:], place) - middle(half[:third], place)
        bound = MOST[place] * share_of(name, processes)
        bounds.check(f"growth in the second half: {name}", grown, most=bound)


def middle(samples: list[Sample], place: int) -> float:
    return median([sample[place] for sample in samples])


if __name__ == "__main__":
    sys.exit(main())
