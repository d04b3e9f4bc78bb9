"""The gateway's figures: plain integers in memory shared by all processes, rendered as one text.

The parent makes the file before the first fork, hands it to its next image, and writes the first
place. Each child writes only its own place, so no counter needs a lock; any child renders the sum.
"""

import mmap
import os
import tempfile
import zlib
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from momentry.common.errors import CODES

KINDS: Final = ("proxy", "api", "other")
CLASSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx")
FIRST_PLACE: Final = {kind: number * len(CLASSES) - 1 for number, kind in enumerate(KINDS)}
CODE_PLACE: Final = {code: number for number, code in enumerate(CODES)}
BOUNDS_MS: Final = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 60_000)
BOUNDS_US: Final = tuple(bound * 1000 for bound in BOUNDS_MS)

REQUESTS: Final = 0
BUCKETS: Final = REQUESTS + len(KINDS) * len(CLASSES)
DURATION_US: Final = BUCKETS + len(BOUNDS_MS) + 1
BYTES_IN: Final = DURATION_US + 1
BYTES_OUT: Final = BYTES_IN + 1
ABORTED: Final = BYTES_OUT + 1
EXCEPTIONS: Final = ABORTED + 1
ROWS_WRITTEN: Final = EXCEPTIONS + 1
ROWS_DROPPED: Final = ROWS_WRITTEN + 1
COUNTED_ALONE: Final = ROWS_DROPPED + 1
DAMAGED_DIGESTS: Final = COUNTED_ALONE + 1
SHED: Final = DAMAGED_DIGESTS + 1
ROWS_SHARED: Final = SHED + 1
SLOW: Final = ROWS_SHARED + 1
RETRIES: Final = SLOW + 1
RETRIES_REFUSED: Final = RETRIES + 1
REPEATED: Final = RETRIES_REFUSED + 1
FAIL_OVERS: Final = REPEATED + 1
YIELDED: Final = FAIL_OVERS + 1
LEASE_ORDERS: Final = YIELDED + 1
FENCE_WAITS: Final = LEASE_ORDERS + 1
FENCE_STALE: Final = FENCE_WAITS + 1
REFUSALS: Final = FENCE_STALE + 1
CONNECTIONS: Final = REFUSALS + len(CODES)
IN_FLIGHT: Final = CONNECTIONS + 1
ROWS_WAITING: Final = IN_FLIGHT + 1
LEASES: Final = ROWS_WAITING + 1
PROCESSES: Final = LEASES + 1
FENCE_FRESH: Final = PROCESSES + 1
VALKEY_AWAY: Final = FENCE_FRESH + 1
RESTARTS: Final = VALKEY_AWAY + 1
CRASHES: Final = RESTARTS + 1
PLACES_USED: Final = CRASHES + 1  # the parent's alone: how many places were ever taken
SIZE: Final = PLACES_USED + 1

GAUGES: Final = {
    CONNECTIONS: ("connections", "Open client connections."),
    IN_FLIGHT: ("requests_in_flight", "Requests being answered."),
    ROWS_WAITING: ("log_rows_waiting", "Request log rows not yet written."),
    LEASES: ("leases", "Counters of which units are held here."),
    PROCESSES: ("processes", "Processes that serve."),
    FENCE_FRESH: ("fence_fresh", "Those of them that may rely on what they remember."),
    VALKEY_AWAY: ("valkey_away", "Those of them that count for themselves, for Valkey is away."),
}
COUNTERS: Final = {
    BYTES_IN: ("received_bytes", "Request body bytes relayed."),
    BYTES_OUT: ("sent_bytes", "Response body bytes relayed."),
    ABORTED: ("requests_aborted", "Requests whose client left or whose answer was cut."),
    EXCEPTIONS: ("exceptions", "Unexpected exceptions."),
    ROWS_WRITTEN: ("log_rows_written", "Request log rows written."),
    ROWS_DROPPED: ("log_rows_dropped", "Request log rows lost for want of space or sense."),
    COUNTED_ALONE: ("counted_alone", "Requests whose burst limits were counted without Valkey."),
    DAMAGED_DIGESTS: ("damaged_digests", "Stored digests met that nobody can read."),
    ROWS_SHARED: ("log_rows_shared", "Refusals of nobody known without a log row of their own."),
    SLOW: ("slow_requests", "Requests that took SLOW_REQUEST_MS or longer."),
    RETRIES: ("upstream_retries", "Requests sent once more, for a kept connection had died."),
    RETRIES_REFUSED: ("upstream_retries_refused", "Requests not sent once more: too many were."),
    REPEATED: ("requests_repeated", "Requests like one admitted before, taken the same way."),
    FAIL_OVERS: ("upstream_fail_overs", "Requests that went on to another target."),
    SHED: ("shed", "Connections and requests refused because this process was full."),
    YIELDED: ("connections_yielded", "Connections that made room for others, in a full process."),
    LEASE_ORDERS: ("lease_orders", "Times that units were asked of the database."),
    FENCE_WAITS: ("fence_waits", "Times that a late renewal of the fence was waited for."),
    FENCE_STALE: ("fence_stale", "Such waits that were in vain."),
    RESTARTS: ("restarts", "Rolling restarts done."),
    CRASHES: ("crashes", "Gateway processes that ended unasked."),
}

PLACES: Final = 1024  # of 256 processes, those they replaced, and those these had replaced
LAYOUT: Final = zlib.crc32(
    repr((PLACES, KINDS, CLASSES, BOUNDS_MS, GAUGES, COUNTERS, tuple(CODES))).encode()
)


def new_file() -> int:
    """The descriptor of a file that only this process and its descendants know."""
    if hasattr(os, "memfd_create"):  # Linux
        return os.memfd_create("momentry-figures")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class Metrics:
    """One process's place for writing (``counts``), all places for reading."""

    __slots__ = ("counts", "file", "view")

    def __init__(self, places: int, *, file: int = -1) -> None:
        """``file``: that of an image which counted the same things in as many places."""
        self.file = new_file() if file < 0 else file
        size = places * SIZE * 8
        os.truncate(self.file, size)
        self.view = memoryview(mmap.mmap(self.file, size)).cast("q")
        self.counts = self.view[:SIZE]

    def take_place(self, place: int) -> None:
        """Called by a child once, before it counts anything."""
        self.counts = self.view[place * SIZE : (place + 1) * SIZE]

    def open_place(self, place: int) -> None:
        """Called by the parent before the fork. What is a state and no sum starts anew."""
        self.view[PLACES_USED] = max(self.view[PLACES_USED], place + 1)
        self.clear_place(place)

    def clear_place(self, place: int) -> None:
        for index in GAUGES:
            self.view[place * SIZE + index] = 0

    def total(self, index: int) -> int:
        return sum(self.view[index : max(1, self.view[PLACES_USED]) * SIZE : SIZE])

    def count_request(self, kind: str, status: int, microseconds: int) -> None:
        counts = self.counts
        counts[REQUESTS + FIRST_PLACE[kind] + status // 100] += 1
        counts[DURATION_US] += microseconds
        counts[BUCKETS + bisect_left(BOUNDS_US, microseconds)] += 1

    def count_refusal(self, code: str) -> None:
        place = CODE_PLACE.get(code)
        if place is not None:
            self.counts[REFUSALS + place] += 1

    def count_alone(self) -> None:
        self.counts[COUNTED_ALONE] += 1

    def count_damaged(self) -> None:
        self.counts[DAMAGED_DIGESTS] += 1

    def render(self) -> bytes:
        registry = CollectorRegistry()
        registry.register(Gathered(self))
        return generate_latest(registry)


class Gathered(Collector):
    """The sum of all places in the words of prometheus_client."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics

    def collect(self) -> Iterator[Metric]:
        total = self.metrics.total
        for index, (name, text) in COUNTERS.items():
            yield CounterMetricFamily(f"momentry_gateway_{name}", text, value=total(index))
        for index, (name, text) in GAUGES.items():
            yield GaugeMetricFamily(f"momentry_gateway_{name}", text, value=total(index))
        yield self.requests()
        yield self.refusals()
        yield self.durations()

    def requests(self) -> Metric:
        family = CounterMetricFamily(
            "momentry_gateway_requests", "Requests answered.", labels=["kind", "status"]
        )
        for number, kind in enumerate(KINDS):
            for offset, status in enumerate(CLASSES):
                value = self.metrics.total(REQUESTS + number * len(CLASSES) + offset)
                family.add_metric([kind, status], value)
        return family

    def refusals(self) -> Metric:
        """By the gate, and by the gateway itself."""
        family = CounterMetricFamily("momentry_gateway_refusals", "Refusals.", labels=["code"])
        for code, place in CODE_PLACE.items():
            family.add_metric([code], self.metrics.total(REFUSALS + place))
        return family

    def durations(self) -> Metric:
        family = HistogramMetricFamily(
            "momentry_gateway_request_duration_seconds", "From the head's arrival to the end."
        )
        buckets, running = [], 0
        for offset, bound in enumerate([*map(str, (b / 1000 for b in BOUNDS_MS)), "+Inf"]):
            running += self.metrics.total(BUCKETS + offset)
            buckets.append((bound, running))
        family.add_metric([], buckets, self.metrics.total(DURATION_US) / 1e6)
        return family
