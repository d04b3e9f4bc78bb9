"""What webhooks cost whoever causes an event, and how long the others wait for two that are dead.

    .venv/bin/python benchmarks/webhooks.py

First milliseconds of an event in its transaction, with so many endpoints that take it. Then a real
relay delivers to 100 endpoints for a minute, one of which hangs and one refuses: how long after its
event each of the others' deliveries arrived, by the database's clock.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

from stage import Bounds, Meter, Stage, free_port, stage

ENDPOINTS: Final = 100
GROUPS: Final = 10  # of as many endpoints, each told of a kind of its own
ROUNDS: Final = 300
MOST_EVENT: Final = 1.0
MOST_LATE: Final = 5.0
ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
LATE: Final = """
SELECT percentile_cont(ARRAY[0.5, 0.95, 1]) WITHIN GROUP (
         ORDER BY extract(epoch FROM coalesce(d.delivered_at, now()) - d.created_at)),
       count(*), count(*) FILTER (WHERE d.delivered_at IS NULL)
                 + (SELECT count(*) FROM events_webhookfanout)
  FROM events_webhookdelivery d JOIN events_webhookendpoint e ON e.id = d.endpoint_id
 WHERE e.description = ''
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--deliveries", type=int, default=10_000)
    given = parser.parse_args()
    os.environ.update(EGRESS_ALLOW="127.0.0.0/8", MOMENTRY_NO_VENV="1")
    bounds = Bounds()
    with stage() as at:
        for number in (0, 1, 10, ENDPOINTS):
            name = f"milliseconds of an event with {number} endpoints that take it"
            bounds.check(name, event_cost(number), most=MOST_EVENT)
        forget()
        with receivers() as port, relay(at) as pid:
            make_endpoints(port)
            spent = cause(given.deliveries, given.seconds, at, pid)
            wait()
        report(bounds, spent, given.deliveries)
    return bounds.code


def event_cost(number: int) -> float:
    """The median in a transaction that was begun before, without its commit."""
    from django.db import transaction  # noqa: PLC0415  once the stage is set

    from events.kinds import Kind  # noqa: PLC0415  as above
    from events.services import record  # noqa: PLC0415  as above

    forget()
    for each in range(number):
        endpoint(f"http://127.0.0.1:9/{each}", "*")
    times = []
    for _ in range(ROUNDS):
        with transaction.atomic():
            record(Kind.TIER_CREATED, actor="bench", subject="tier:a", name="a")
            began = time.perf_counter()
            record(Kind.TIER_UPDATED, actor="bench", subject="tier:a", name="a")
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def forget() -> None:
    from events.models import (  # noqa: PLC0415  as above
        WebhookDelivery,
        WebhookEndpoint,
        WebhookFanOut,
    )

    WebhookFanOut.objects.all().delete()
    WebhookDelivery.objects.all().delete()
    WebhookEndpoint.objects.all().delete()


def endpoint(url: str, kind: str, description: str = "") -> None:
    from events.webhooks.services import WantedEndpoint, create_endpoint  # noqa: PLC0415  as above

    create_endpoint(WantedEndpoint(url, [kind], description), actor="bench")


def kinds() -> list[Any]:
    from events.kinds import Kind  # noqa: PLC0415  as above

    return [kind for kind in Kind if kind.startswith(("tier:", "apikey:", "price:"))][:GROUPS]


def make_endpoints(port: int) -> None:
    for group, kind in enumerate(kinds()):
        for each in range(ENDPOINTS // GROUPS):
            number = group * GROUPS + each
            url, dead = f"http://127.0.0.1:{port}/{number}", ""
            if number == 0:
                url, dead = f"http://127.0.0.1:{port + 1}/", "hangs"
            elif number == GROUPS:
                url, dead = f"http://127.0.0.1:{free_port()}/", "refuses"
            endpoint(url, kind, dead)


def cause(deliveries: int, seconds: int, at: Stage, pid: int) -> float:
    """Events at an even pace; CPU seconds of the relay meanwhile."""
    from django.db import transaction  # noqa: PLC0415  as above

    from events.services import record  # noqa: PLC0415  as above

    events = deliveries * GROUPS // ENDPOINTS
    meter, began = Meter(at, [pid]), time.monotonic()
    for number in range(events):
        with transaction.atomic():
            record(kinds()[number % GROUPS], actor="bench", subject="tier:a", name="a")
        time.sleep(max(began + (number + 1) * seconds / events - time.monotonic(), 0))
    return meter.spent().server


def wait() -> None:
    """Until all of the living have arrived, at most half a minute."""
    end = time.monotonic() + 30
    while time.monotonic() < end and figures()[2]:
        time.sleep(0.2)


def figures() -> tuple[list[float], int, int]:
    from django.db import connection  # noqa: PLC0415  as above

    with closing(connection.cursor()) as cursor:
        cursor.execute(LATE)
        late, sent, missing = cursor.fetchone()
    return late, sent, missing


def report(bounds: Bounds, spent: float, deliveries: int) -> None:
    (median, late, latest), sent, missing = figures()
    bounds.check("deliveries to the endpoints that live", sent, least=deliveries * 0.95)
    bounds.check("of them not arrived", missing)
    bounds.failed = bounds.failed or missing > 0
    bounds.check("seconds from the event to the arrival, median", median)
    bounds.check("95th percentile", late, most=MOST_LATE)
    bounds.check("the latest", latest)
    bounds.check("milliseconds of the relay's CPU per delivery", spent / sent * 1000)


@contextmanager
def relay(at: Stage) -> Iterator[int]:
    given = {**os.environ, "DATABASE_URL": at.database_url}
    process = subprocess.Popen([sys.executable, "manage.py", "relay"], env=given)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def receivers() -> Iterator[int]:
    """A port that answers 200 at once; the next one takes connections and says nothing."""
    loop, port = asyncio.new_event_loop(), free_port()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length"))
        await reader.readexactly(int(length.partition(b":")[2]))
        writer.write(ANSWER)
        await writer.drain()
        writer.close()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def serve() -> None:
        await asyncio.start_server(answer, "127.0.0.1", port, backlog=512)
        await asyncio.start_server(never, "127.0.0.1", port + 1, backlog=512)

    loop.run_until_complete(serve())
    threading.Thread(target=loop.run_forever, daemon=True).start()
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(loop.stop)


if __name__ == "__main__":
    sys.exit(main())
