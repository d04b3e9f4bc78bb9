"""RES-02: a head that is large, long in coming or full of fields costs little more than others."""

from pathlib import Path

import pytest

from tests.gateway.conftest import Start
from tests.gateway.processes import Gateway, request

pytestmark = pytest.mark.slow

TIMES = 60
TURNS = 3
LARGEST = 32_768
MOST = 25.0  # times the CPU of a refusal without a head to speak of: 500 times the bytes
MOST_ESCAPED = 50.0  # each of 10,000 escapes is decoded: as often as their bytes were requests

FIELDS = [f"X-Field-{number}: {'v' * 290}" for number in range(95)]
FLOODS: dict[str, tuple[bytes, int]] = {
    "many fields": (request("GET", "/proxy/echo/", "", *["A: b"] * 5000), 431),
    "one long field": (request("GET", "/proxy/echo/", "", "A: " + "b" * 40_000), 431),
    "no end": (b"GET / HTTP/1.1\r\nA: " + b"b" * LARGEST, 431),
    "all that is allowed": (request("GET", "/proxy/echo/", "", *FIELDS), 401),
    "many credentials": (request("GET", "/proxy/echo/", "", *["X-API-Key: k"] * 98), 400),
    "empty lines first": (b"\r\n" * 15_000 + request("GET", "/proxy/echo/"), 401),
    "a long list": (request("GET", "/proxy/echo/", "", "Connection: " + "a," * 15_000), 401),
    "a long trail": (request("GET", "/proxy/echo/", "", "X-Forwarded-For: " + "a," * 15_000), 401),
}
ESCAPED = request("GET", "/proxy/echo/" + "%41" * 10_000)


@pytest.fixture
def alone(start: Start) -> Gateway:
    return start(TRUSTED_PROXIES="127.0.0.1").wait_until_ready()


def cpu(gateway: Gateway) -> float:
    """Seconds that its process has run."""
    (pid,) = gateway.children()
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def spent(gateway: Gateway, text: bytes, status: int) -> float:
    """CPU seconds of one: the least of some turns, for noise only adds."""
    found = []
    for _ in range(TURNS):
        before = cpu(gateway)
        for _ in range(TIMES):
            wire = gateway.connect().send(text)
            assert wire.answer().status == status
            wire.close()
        found.append((cpu(gateway) - before) / TIMES)
    gateway.close_wires()
    return min(found)


def test_a_flood_of_heads_costs_little_more_than_as_many_requests(alone: Gateway) -> None:
    usual = spent(alone, request("GET", "/proxy/echo/"), 401)

    dear = {name: spent(alone, *flood) / usual for name, flood in FLOODS.items()}

    print(f"{usual * 1e6:.0f} microseconds", {name: round(each, 1) for name, each in dear.items()})
    assert max(dear.values()) <= MOST, dear
    assert spent(alone, ESCAPED, 401) <= MOST_ESCAPED * usual
