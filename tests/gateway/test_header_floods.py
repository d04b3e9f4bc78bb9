"""RES-02: a head that is large, long in coming or full of fields costs little more than others.

Counted is what the gateway's process runs for it, not how long anybody waits: medians of turns in
which every head has its own, so that noise meets all of them alike. Half a flood runs beside each
whole one, and shows what is read more than once.
"""

import itertools
import random
import socket
import statistics
import string
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.gateway.conftest import Start
from tests.gateway.processes import Gateway, request

pytestmark = pytest.mark.slow

TURNS: Final = 60
PATH: Final = "/proxy/echo/"
PIECE: Final = 2200
PAUSE: Final = 0.001  # seconds; else the kernel puts pieces together
TOKENS: Final = ["".join(each) for each in itertools.product(string.ascii_lowercase, repeat=3)]
GROWTH: Final = 2.5  # times what half of it costs; read in one pass 2, with each part by each 4
NOISE: Final = 0.25  # of a usual head


class Flood(NamedTuple):
    """``make(size)``: half the size is half of what is hostile in it. ``most``: times what a usual
    head costs, about double of what was measured."""

    make: Callable[[int], bytes]
    size: int
    status: int
    most: float


def head(*fields: str) -> bytes:
    return request("GET", PATH, "", *fields)


FLOODS: Final = {
    "many fields": Flood(lambda size: head(*["A: b"] * size), 5000, 431, 9),
    "all that is allowed": Flood(
        lambda size: head(*[f"X-Field-{number}: {'v' * 290}" for number in range(size)]), 96, 401, 4
    ),
    "many credentials": Flood(lambda size: head(*["X-API-Key: k"] * size), 98, 400, 4),
    "a long field": Flood(lambda size: head("A: " + "b" * size), 32_000, 401, 4),
    "blanks": Flood(lambda size: head("A: b" + " " * size + "c"), 32_000, 401, 4),
    "empty lines first": Flood(lambda size: b"\r\n" * size + head(), 15_000, 401, 5),
    "a long list": Flood(
        lambda size: head("Connection: " + ",".join(TOKENS[:size])), 8000, 401, 16
    ),
    "a long trail": Flood(lambda size: head("X-Forwarded-For: " + "a," * size), 15_000, 401, 6),
    "many escapes": Flood(lambda size: request("GET", PATH + "%41" * size), 10_000, 401, 30),
}
DRIPPED: Final = Flood(lambda size: head("A: " + "b" * size * PIECE), 14, 401, 6)
# Half of these is another matter: not too long, or never at its end.
TOO_LONG: Final = {
    "too long a field": Flood(lambda size: head("A: " + "b" * size), 40_000, 431, 3),
    "no end": Flood(lambda size: b"GET / HTTP/1.1\r\nA: " + b"b" * size, 32_768, 431, 9),
}


@pytest.fixture
def alone(start: Start) -> Gateway:
    return start(TRUSTED_PROXIES="127.0.0.1").wait_until_ready()


def test_a_flood_of_heads_costs_little_more_than_as_many_requests(alone: Gateway) -> None:
    wholes = {name: (flood, flood.size) for name, flood in (FLOODS | TOO_LONG).items()}
    halves = {f"half of {name}": (flood, flood.size // 2) for name, flood in FLOODS.items()}
    usual = Flood(lambda _: head(), 1, 401, 1)

    costs = measured(alone, {"usual": (usual, 1)} | wholes | halves)

    dear = {name: costs[name] / costs["usual"] for name in costs}
    told = {name: round(cost, 2) for name, cost in dear.items()}
    assert [name for name in wholes if dear[name] > wholes[name][0].most] == [], told
    assert [name for name in FLOODS if grows(dear[name], dear[f"half of {name}"])] == [], told


def test_a_head_that_drips_is_read_once(alone: Gateway) -> None:
    usual = Flood(lambda _: head(), 1, 401, 1)
    cases = {
        "usual": (usual, 1),
        "whole": (DRIPPED, DRIPPED.size),
        "half": (DRIPPED, DRIPPED.size // 2),
    }

    costs = measured(alone, cases, PIECE)

    whole, half = costs["whole"] / costs["usual"], costs["half"] / costs["usual"]
    assert not grows(whole, half), (whole, half)
    assert whole < DRIPPED.most


def grows(whole: float, half: float) -> bool:
    """By more than twice, when what a usual head costs is taken off both."""
    return whole - 1 > GROWTH * (half - 1) + NOISE


def measured(
    gateway: Gateway, cases: dict[str, tuple[Flood, int]], piece: int = 1 << 20
) -> dict[str, float]:
    """The median nanoseconds of each."""
    (pid,) = gateway.children()
    found: dict[str, list[int]] = {name: [] for name in cases}
    texts = [(name, flood.make(size), flood.status) for name, (flood, size) in cases.items()]
    for _ in range(TURNS):
        random.shuffle(texts)
        for name, text, status in texts:
            before = ran(pid)
            say(gateway, text, status, piece)
            found[name].append(ran(pid) - before)
    return {name: statistics.median(each) for name, each in found.items()}


def say(gateway: Gateway, text: bytes, status: int, piece: int) -> None:
    wire = gateway.connect()
    wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for at in range(0, len(text), piece):
        wire.send(text[at : at + piece])
        if at + piece < len(text):
            time.sleep(PAUSE)
    assert wire.answer().status == status
    gateway.close_wires()


def ran(pid: int) -> int:
    """Nanoseconds that a process ran, once it sleeps."""
    path, before, now = Path(f"/proc/{pid}/schedstat"), -1, 0
    while before != now:
        time.sleep(0.0005)
        before, now = now, int(path.read_text().split()[0])
    return now
