"""DUR-14: what a busy Django does to the gateway's latency.

    .venv/bin/python benchmarks/neighbour.py

Starts engines, an echo upstream, Django and one gateway process before them. Calls the echo
upstream at a steady rate over a few connections, in turns alone and beside clients that keep Django
busy with its most expensive page (the OpenAPI document). Prints the median and the 99th percentile
of each turn, and the ratio of the 99th percentiles.
"""

import argparse
import contextlib
import http.client
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module

from stage import Bounds, django, echo, gateway, median, stage

CONNECTIONS = 4
RATE = 100.0  # requests per second, all connections together
BUSY_CLIENTS = 2
BUSY_PATH = "/api/schema/"
MOST = 2.0


def timed_calls(host: str, key: str, seconds: float) -> list[float]:
    """Milliseconds of each call; a call that is late starts at once and is not left out."""
    found: list[float] = []

    def run() -> None:
        connection = http.client.HTTPConnection(host, timeout=30)
        pause = CONNECTIONS / RATE
        due = time.perf_counter()
        end = due + seconds
        while due < end:
            time.sleep(max(0.0, due - time.perf_counter()))
            began = time.perf_counter()
            connection.request("GET", "/proxy/echo/x", headers={"X-API-Key": key})
            response = connection.getresponse()
            response.read()
            if response.status != 200:
                raise SystemExit(f"the echo upstream answered {response.status}")
            found.append((time.perf_counter() - began) * 1000)
            due += pause
        connection.close()

    in_threads(run, CONNECTIONS)
    return found


def in_threads(work: Callable[[], None], count: int) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@contextlib.contextmanager
def busy_django(
    host: str, path: str = BUSY_PATH, headers: Mapping[str, str] = {}
) -> Iterator[None]:
    """Clients that ask for this again and again; the first answer has to be 200."""
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            fetch(host, path, headers)

    if (status := fetch(host, path, headers)) != 200:
        raise SystemExit(f"Django answered {status}")
    threads = [threading.Thread(target=run) for _ in range(BUSY_CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def fetch(host: str, path: str, headers: Mapping[str, str]) -> int:
    """The status, once all of the answer is read."""
    connection = http.client.HTTPConnection(host, timeout=30)
    connection.request("GET", path, headers=dict(headers))
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    with stage() as at, echo() as port, django() as behind:
        make = import_module("rows")
        make.upstream("echo", f"http://127.0.0.1:{port}")
        secret = make.member_secret("alice", "enterprise", "echo")
        with gateway(at, {"DJANGO_SOCKET": f"127.0.0.1:{behind}"}) as ours:
            return compare(f"127.0.0.1:{ours.port}", secret, given.turns, given.seconds)


def compare(host: str, secret: str, turns: int, seconds: float) -> int:
    tails: dict[str, list[float]] = {"alone": [], "beside": []}
    for _ in range(turns):
        for name, found in tails.items():
            around = busy_django(host) if name == "beside" else contextlib.nullcontext()
            with around:
                calls = timed_calls(host, secret, seconds)
            found.append(percentile(calls, 0.99))
            middle = median(calls)
            print(f"{name:7} median {middle:6.2f} ms   p99 {found[-1]:6.2f} ms   {len(calls)}")
    bounds = Bounds()
    ratio = median(tails["beside"]) / median(tails["alone"])
    bounds.check("p99 beside a busy Django / alone", ratio, most=MOST)
    return bounds.code


if __name__ == "__main__":
    sys.exit(main())
