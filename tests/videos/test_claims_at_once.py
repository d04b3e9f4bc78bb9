"""Eight processes claim at once: no step is given twice, and none is left."""

import json
import os
import subprocess
import sys

import pytest

from tests.gateway.conftest import Database, own_database
from tests.videos import jobs as given

pytestmark = pytest.mark.slow
JOBS, WORKERS = 60, 8
CLAIMER = """
import json, os, sys
import django
django.setup()
from videos.services import queue
sys.stdin.readline()
mine, all_of = [], ["asr", "cut", "face", "ocr", "pose", "yolo"]
can = [all_of[:3], all_of[3:], all_of][int(sys.argv[1]) % 3]
misses = 0
while misses < 3:
    claim = queue.claim(can, worker=sys.argv[1], seconds=600, actor="test")
    misses = 0 if claim else misses + 1
    mine += [f"{claim.job.pk} {name}" for name in claim.attempts] if claim else []
print(json.dumps(mine))
"""


def test_eight_processes_never_get_the_same_step(migrated: Database) -> None:
    with own_database(migrated, "claimed") as own:
        with own.rows():
            for _ in range(JOBS):
                given.job()
        settings = {"DATABASE_URL": own.url, "DJANGO_SETTINGS_MODULE": "momentry.settings"}
        claimers = [
            subprocess.Popen(
                [sys.executable, "-c", CLAIMER, str(number)],
                env={**os.environ, **settings},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(WORKERS)
        ]
        for claimer in claimers:  # all are let go once each is there
            assert claimer.stdin is not None
            claimer.stdin.write("\n")
            claimer.stdin.flush()
        found = [json.loads(claimer.communicate(timeout=120)[0]) for claimer in claimers]

        steps = [step for mine in found for step in mine]
        assert len(steps) == len(set(steps))
        states = own.fetch("SELECT state, count(*) FROM videos_processingstep GROUP BY state")
        assert states == [("running", len(steps))]
        assert len(steps) == JOBS * 6
        assert sum(1 for mine in found if mine) > 1
