"""Events per second that the sealer chains, that audit_verify proves, and that retention lets go.

    .venv/bin/python benchmarks/sealing.py [--events 50000]

Events as record() writes them, with details; the sealer and PostgreSQL share this machine.
"""

import argparse
import statistics
import sys
import time
from datetime import timedelta
from importlib import import_module
from typing import Any, Final

from stage import Bounds, Meter, Stage, stage

LEAST_SEALED: Final = 5000.0
ROUNDS: Final = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=50_000)
    given = parser.parse_args()
    bounds = Bounds()
    with stage() as at:
        recorded = [record_some(given.events // ROUNDS) for _ in range(ROUNDS)]
        bounds.check("record(), microseconds, median", statistics.median(recorded))
        bounds.check("events sealed per second", seal(at, bounds), least=LEAST_SEALED)
        verified, memory = verify()
        bounds.check("events verified per second", verified)
        bounds.check("MiB that verifying adds to memory", memory, most=16)
        bounds.check("events purged per second", purge())
    return bounds.code


def record_some(count: int) -> float:
    """Microseconds each, a thousand in a transaction."""
    transaction: Any = import_module("django.db").transaction
    kinds: Any = import_module("events.kinds")
    services: Any = import_module("events.services")
    began = time.perf_counter()
    for start in range(0, count, 1000):
        with transaction.atomic():
            for number in range(start, min(start + 1000, count)):
                services.record(
                    kinds.Kind.APIKEY_UPDATED,
                    actor="staff:0193a1c8-f0a7-7c8e-9d0b-7d1f2c3a4b5e",
                    subject=f"key:{number:032x}",
                    fields=["name", "expires_at"],
                    reason="what staff write into the field",
                )
    return (time.perf_counter() - began) / count * 1e6


def seal(at: Stage, bounds: Bounds) -> float:
    sealer: Any = import_module("events.chain.sealer")
    meter, began = Meter(at, []), time.perf_counter()
    own = time.process_time()
    count = sealer.Sealer().seal()
    took, own = time.perf_counter() - began, time.process_time() - own
    bounds.check("microseconds of CPU for each, the sealer", own / count * 1e6)
    bounds.check("the same of PostgreSQL", meter.spent().postgres / count * 1e6)
    return float(count / took)


def verify() -> tuple[float, float]:
    verifying: Any = import_module("events.chain.verify")
    before = resident()
    began = time.perf_counter()
    report = verifying.Walk().run()
    return report.rows / (time.perf_counter() - began), resident() - before


def purge() -> float:
    retention: Any = import_module("events.chain.retention")
    timezone: Any = import_module("django.utils.timezone")
    began = time.perf_counter()
    count = retention.purge_events(timezone.now() + timedelta(days=2), 1, actor="benchmark")
    return float(count / (time.perf_counter() - began))


def resident() -> float:
    """MiB of this process."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123  two words
        return int(file.read().split()[1]) * 4096 / 2**20


if __name__ == "__main__":
    sys.exit(main())
