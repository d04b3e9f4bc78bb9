"""DUR-14: what a busy Django does to the gateway's latency.

Start `python3 manage.py up`, then:

    python3 benchmarks/neighbour.py --url http://127.0.0.1:3002 --key muser_…

Calls the echo upstream at a steady rate over a few connections, in turns alone and beside clients
that keep Django busy with its most expensive page (the OpenAPI document). Prints the median and
the 99th percentile of each turn in milliseconds, and the ratio of the medians over the turns.
"""

import argparse
import contextlib
import http.client
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

CONNECTIONS = 4
RATE = 100.0  # requests per second, all connections together
BUSY_CLIENTS = 2
BUSY_PATH = "/api/schema/"


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
def busy_django(host: str) -> Iterator[None]:
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            connection = http.client.HTTPConnection(host, timeout=30)
            connection.request("GET", BUSY_PATH)
            connection.getresponse().read()
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(BUSY_CLIENTS)]
    for thread in threads:
        thread.start()
    yield
    stop.set()
    for thread in threads:
        thread.join()


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:3002")
    parser.add_argument("--key", required=True)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    host = urlsplit(given.url).netloc
    tails: dict[str, list[float]] = {"alone": [], "beside": []}
    for _ in range(given.turns):
        for name, found in tails.items():
            around = busy_django(host) if name == "beside" else contextlib.nullcontext()
            with around:
                calls = timed_calls(host, given.key, given.seconds)
            found.append(percentile(calls, 0.99))
            middle = statistics.median(calls)
            print(f"{name:7} median {middle:6.2f} ms   p99 {found[-1]:6.2f} ms   {len(calls)}")
    ratio = statistics.median(tails["beside"]) / statistics.median(tails["alone"])
    print(f"p99 beside a busy Django / alone: {ratio:.2f}")


if __name__ == "__main__":
    main()
