"""Where the peers meet: upstreams, nginx, momentry with everything on, and turns between them."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from nginx import nginx_peers, nginx_upstream
from stage import Bounds, Meter, Stage, beside, children, free_port, gateway, median, pin

HERE: Final = Path(__file__).resolve().parent
ADDRESSES: Final = 32  # of the streaming upstream: a gateway has at most 256 connections to each
MONTH: Final = 1_000_000_000
MINUTE: Final = 3_000_000  # twice of what one process can: it is counted and never reached
CONCURRENT: Final = 10_000

DIRECT: Final = "upstream alone"
OPEN_FILES: Final = {"GATEWAY_MAX_CONNECTIONS": "16384"}

Found = TypeVar("Found")


class Run(NamedTuple):
    """What the caller wants: turns of each, seconds of load in a turn; and where figures go."""

    turns: int
    seconds: int
    bounds: Bounds


class Side(NamedTuple):
    """One of the compared; ``worker`` carries the bytes on the measured core (0: not there)."""

    name: str
    port: int
    pid: int
    worker: int = 0
    with_engines: bool = False


@dataclass(frozen=True)
class Arena:
    """``key`` is good for momentry and for nginx; every side answers the same paths."""

    at: Stage
    key: str
    answers: int  # the light upstream's port
    streams: int  # the streaming upstream's port
    sides: Mapping[str, Side]
    missing: Mapping[str, str]

    def of(self, *names: str) -> list[Side]:
        """Those of them that are there."""
        return [self.sides[name] for name in names if name in self.sides]

    def get(self, path: str) -> bytes:
        """Minimal headers, as wrk would send them."""
        lines = (f"GET {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {self.key}")
        return "\r\n".join((*lines, "", "")).encode()


@contextlib.contextmanager
def arena(at: Stage) -> Iterator[Arena]:
    """Everything started, each server on the measured core, all else on the others."""
    with contextlib.ExitStack() as stack:
        answers, pid = stack.enter_context(nginx_upstream(at.directory))
        sides = {DIRECT: Side(DIRECT, answers, pid)}
        streams = stack.enter_context(script("upstream.py", str(ADDRESSES)))[0]
        key = make_rows(answers, streams)
        port, pid = stack.enter_context(script("splice.py", str(answers)))
        sides["uvloop splice"] = Side("uvloop splice", port, pid, pid)
        ports, pid, missing = stack.enter_context(nginx_peers(at.directory, key, answers, streams))
        worker = children(pid)[0]
        for name, port in ports.items():
            sides[name] = Side(name, port, pid, worker)
        for workers, name in ((1, "momentry"), (2, "momentry, 2 workers")):
            ours = stack.enter_context(gateway(at, OPEN_FILES, workers=workers))
            worker = ours.children()[0]
            sides[name] = Side(name, ours.port, ours.process.pid, worker, with_engines=True)
        for side in sides.values():
            pin([side.pid, *children(side.pid)] if side.worker else [])
        yield Arena(at, key, answers, streams, sides, missing)


@contextlib.contextmanager
def script(name: str, *arguments: str) -> Iterator[tuple[int, int]]:
    """The port and the id of one of the scripts here."""
    port = free_port()
    with beside([sys.executable, HERE / name, str(port), *arguments], port) as pid:
        yield port, pid


def make_rows(answers: int, streams: int) -> str:
    """The key of a member whose tier has a month's, a minute's and a concurrency limit."""
    make = import_module("rows")
    make.upstream("answers", f"http://127.0.0.1:{answers}", credential="sk-upstream")
    every = [f"http://127.0.0.{number}:{streams}" for number in range(1, ADDRESSES + 1)]
    make.upstream("streams", *every, credential="sk-upstream")
    make.upstream("bulk", every[0], credential="sk-upstream")
    make.tier(
        "all",
        requests_per_month=MONTH,
        requests_per_minute=MINUTE,
        concurrent_requests=CONCURRENT,
    )
    return str(make.member_secret("alice", "all", "answers", "streams", "bulk"))


class Cost(NamedTuple):
    """CPU seconds; those of PostgreSQL and Valkey are 0 for a side that needs neither."""

    server: float
    postgres: float
    valkey: float

    @property
    def total(self) -> float:
        return sum(self)


class Account:
    """What a side spends from here to ``cost()``."""

    def __init__(self, at: Stage, side: Side) -> None:
        self.side = side
        self.meter = Meter(at, [side.pid])

    def cost(self) -> Cost:
        spent = self.meter.spent()
        if not self.side.with_engines:
            return Cost(spent.server, 0, 0)
        return Cost(spent.server, spent.postgres, spent.valkey)


def in_turns(
    sides: Sequence[Side], run: Run, one: Callable[[Side, int], Found]
) -> dict[str, list[Found]]:
    """One after the other, again and again, for so many seconds. The first round only warms up."""
    found: dict[str, list[Found]] = {side.name: [] for side in sides}
    for number in range(run.turns + 1):
        for side in sides:
            turn = one(side, run.seconds if number else 1)
            if number:
                found[side.name].append(turn)
    return found


def ratio(over: Sequence[float], under: Sequence[float]) -> float:
    """The median of the turns' ratios: the machine's speed changes within minutes."""
    return median([a / b for a, b in zip(over, under, strict=True)])


def spread(values: Sequence[float]) -> str:
    return f"{median(values):7.1f} ({min(values):.1f}-{max(values):.1f})"


def peak_kib(pid: int) -> int:
    """Most memory that this process has had since ``forget_peak``."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def resident_kib(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")
