"""A claim of a worker, in a queue of 100,000 jobs with six steps each: milliseconds.

    .venv/bin/python benchmarks/claim.py [--jobs 100000] [--claims 500]

The service itself, with its transaction: the statements, their commit, and the rows read. In turn:
with statistics of the time when nothing was queued; with true ones; after thousands of claims,
whose dead index entries stand at the head; the same while an old transaction keeps them from being
cleared away; of a processor whose steps all wait for later. Then eight processes at once.
"""

import argparse
import statistics
import subprocess
import sys
import time
from importlib import import_module
from typing import Any, Final

import psycopg
from stage import ROOT, Bounds, stage

ALL: Final = ["asr", "cut", "face", "ocr", "pose", "yolo"]
MOST: Final = 5.0  # milliseconds
WORKERS: Final = 8
FILL: Final = """
WITH owned AS (
    INSERT INTO videos_video (id, path, name, size, sha256, location, owner_label, hashed_bytes,
                              over_quota, source, version, file_gone)
    SELECT gen_random_uuid(), '/' || n, 'n' || n, 1, '', '', '', 0, false, 'import', 1, false
      FROM generate_series(1, %s) AS n RETURNING id
), made AS (
    INSERT INTO videos_processingjob (id, video_id, kind, state, priority)
    SELECT gen_random_uuid(), id, 'auto_ingestion', 'queued', 0 FROM owned RETURNING id
)
INSERT INTO videos_processingstep (id, job_id, processor, state, job_priority, attempts, worker,
                                   progress, artefacts, last_error, due_at)
SELECT gen_random_uuid(), id, processor, 'queued', 0, 0, '',
       0, '[]', '', now() - random() * interval '1 h'
  FROM made, unnest(%s::text[]) AS processor
"""
CLAIMER: Final = """
import django, sys, time
django.setup()
from videos.services import queue
found, times = [], []
sys.stdin.readline()
for _ in range(int(sys.argv[1])):
    began = time.perf_counter()
    claim = queue.claim(["asr"], worker="w", seconds=600, actor="benchmark")
    times.append((time.perf_counter() - began) * 1000)
    found.append(str(claim.job.pk))
print(sorted(times)[len(times) // 2], *found)
"""


def claims(processors: list[str], count: int) -> list[float]:
    queue: Any = import_module("videos.services.queue")
    times = []
    for _ in range(count):
        began = time.perf_counter()
        queue.claim(processors, worker="w", seconds=600, actor="benchmark")
        times.append((time.perf_counter() - began) * 1000)
    return sorted(times)


def measure(name: str, processors: list[str], count: int, bounds: Bounds) -> None:
    found = claims(processors, count)
    tail = found[int(len(found) * 0.99)]
    bounds.check(f"{name}, median", statistics.median(found), most=MOST)
    bounds.check(f"{name}, 99th percentile", tail)


def at_once(count: int, bounds: Bounds) -> None:
    """Eight processes: as fast as they can, on this machine's few cores."""
    claimers = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIMER, str(count)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(WORKERS)
    ]
    told = [claimer.communicate("\n")[0].split() for claimer in claimers]
    jobs = [job for _, *found in told for job in found]
    medians = [float(median) for median, *_ in told]
    print(
        f"{WORKERS} processes at once: median {statistics.median(medians):.2f}, {len(jobs)} claims"
    )
    bounds.check("claims given twice", len(jobs) - len(set(jobs)), most=0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--claims", type=int, default=500)
    given = parser.parse_args()
    bounds = Bounds()
    with stage() as at, psycopg.connect(at.database_url, autocommit=True) as direct:
        direct.execute("ANALYZE videos_processingstep")  # nothing is there
        direct.execute(FILL, [given.jobs, ALL])
        measure("statistics of an empty table", ALL, given.claims, bounds)
        direct.execute("VACUUM ANALYZE videos_processingstep, videos_processingjob")
        measure("all processors", ALL, given.claims, bounds)
        measure("one processor", ["asr"], given.claims, bounds)
        claims(["asr"], 10 * given.claims)
        measure("one, behind thousands of dead index entries", ["asr"], given.claims, bounds)
        with psycopg.connect(at.database_url) as old:
            old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            old.execute("SELECT count(*) FROM accounts_user")
            claims(["ocr"], 4 * given.claims)
            measure("one, dead entries kept by an old transaction", ["ocr"], given.claims, bounds)
        later = "UPDATE videos_processingstep SET due_at = now() + interval '1 h'"
        direct.execute(f"{later} WHERE processor = 'yolo' AND state = 'queued'")
        measure("one, of which nothing is due", ["yolo"], 20, bounds)
        at_once(given.claims, bounds)
    return bounds.code


if __name__ == "__main__":
    sys.exit(main())
