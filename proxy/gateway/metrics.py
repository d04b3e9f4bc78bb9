"""The gateway's figures: plain integers in memory shared by all children, rendered as one text.

The parent makes the map before the first fork. Each child writes only its own slot, so no counter
needs a lock; any child renders the sum of all.
"""

import mmap
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

KINDS: Final = ("proxy", "api", "other")
CLASSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx")
BOUNDS_MS: Final = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 60_000)

REQUESTS: Final = 0
BUCKETS: Final = REQUESTS + len(KINDS) * len(CLASSES)
DURATION_US: Final = BUCKETS + len(BOUNDS_MS) + 1
BYTES_IN: Final = DURATION_US + 1
BYTES_OUT: Final = BYTES_IN + 1
ABORTED: Final = BYTES_OUT + 1
EXCEPTIONS: Final = ABORTED + 1
ROWS_WRITTEN: Final = EXCEPTIONS + 1
ROWS_DROPPED: Final = ROWS_WRITTEN + 1
CONNECTIONS: Final = ROWS_DROPPED + 1
IN_FLIGHT: Final = CONNECTIONS + 1
ROWS_WAITING: Final = IN_FLIGHT + 1
SIZE: Final = ROWS_WAITING + 1

GAUGES: Final = {
    CONNECTIONS: ("connections", "Open client connections."),
    IN_FLIGHT: ("requests_in_flight", "Requests being answered."),
    ROWS_WAITING: ("log_rows_waiting", "Request log rows not yet written."),
}
COUNTERS: Final = {
    BYTES_IN: ("received_bytes", "Request body bytes relayed."),
    BYTES_OUT: ("sent_bytes", "Response body bytes relayed."),
    ABORTED: ("requests_aborted", "Requests whose client left or whose answer was cut."),
    EXCEPTIONS: ("exceptions", "Unexpected exceptions."),
    ROWS_WRITTEN: ("log_rows_written", "Request log rows written."),
    ROWS_DROPPED: ("log_rows_dropped", "Request log rows lost for want of space or sense."),
}


class Metrics:
    """One child's slot for writing (``counts``), all slots for reading."""

    __slots__ = ("counts", "slots", "view")

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.view = memoryview(mmap.mmap(-1, slots * SIZE * 8)).cast("q")
        self.counts = self.view[:SIZE]

    def take_slot(self, slot: int) -> None:
        """Called by a child once; what is a state and no sum starts anew."""
        self.counts = self.view[slot * SIZE : (slot + 1) * SIZE]
        for index in GAUGES:
            self.counts[index] = 0

    def total(self, index: int) -> int:
        return sum(self.view[index::SIZE])

    def count_request(self, kind: str, status: int, microseconds: int) -> None:
        counts = self.counts
        counts[REQUESTS + KINDS.index(kind) * len(CLASSES) + status // 100 - 1] += 1
        counts[DURATION_US] += microseconds
        counts[BUCKETS + bucket_of(microseconds)] += 1

    def render(self) -> bytes:
        registry = CollectorRegistry()
        registry.register(Gathered(self))
        return generate_latest(registry)


def bucket_of(microseconds: int) -> int:
    for index, bound in enumerate(BOUNDS_MS):
        if microseconds <= bound * 1000:
            return index
    return len(BOUNDS_MS)


class Gathered(Collector):
    """The sum of all slots in the words of prometheus_client."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics

    def collect(self) -> Iterator[Metric]:
        total = self.metrics.total
        for index, (name, text) in COUNTERS.items():
            yield CounterMetricFamily(f"momentry_gateway_{name}", text, value=total(index))
        for index, (name, text) in GAUGES.items():
            yield GaugeMetricFamily(f"momentry_gateway_{name}", text, value=total(index))
        yield self.requests()
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
