"""integrations/worker against a gateway, Django and PostgreSQL that are processes of their own."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import make
from tests.gateway.conftest import Database, own_database, starting
from tests.gateway.households import command
from tests.gateway.processes import Gateway
from tests.gateway.wire import within
from tests.videos import jobs as given
from tests.videos.work import worker_secret

pytestmark = pytest.mark.slow
WORKER = Path(__file__).parents[2] / "integrations" / "worker" / "momentry_worker.py"
STATES = "SELECT state, count(*) FROM videos_processingstep GROUP BY 1 ORDER BY 1"
GIVEN = ("{processor}", "{path}")
ENDS = "SELECT kind, count(*) FROM events_event WHERE subject LIKE 'job:%%' GROUP BY 1"
LATE = "UPDATE videos_processingstep SET leased_until = now() WHERE lease IS NOT NULL"
ACTIVITY = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
CLAIMS = "SELECT count(*) FROM apikeys_requestlog WHERE path = '/api/v1/jobs/claim'"
# Says what it was told; for a while the first run of each step only waits to be killed.
SCRIPT = """
import json, os, pathlib, sys, time
step = os.environ["MOMENTRY_UUID"] + sys.argv[1]
with pathlib.Path(os.environ["RUNS"], step).open("a") as runs:
    runs.write("x")
if pathlib.Path(os.environ["RUNS"], "hang").exists():
    time.sleep(600)
assert "MOMENTRY_KEY" not in os.environ
print(json.dumps({"result": {"path": sys.argv[2]}, "artefacts": ["https://a.example/" + step]}))
"""


@dataclass
class House:
    own: Database
    gateway: Gateway
    django: "subprocess.Popen[bytes]"
    place: Path
    secret: str

    @contextmanager
    def workers(self, *names: str) -> Iterator[list["subprocess.Popen[bytes]"]]:
        started = [self.worker(name) for name in names]
        try:
            yield started
        finally:
            for process in started:
                process.kill()
                process.wait(timeout=10)

    def worker(self, name: str) -> "subprocess.Popen[bytes]":
        script = self.place / "script.py"
        script.write_text(SCRIPT)
        words = ["--name", name, "--lease", "30", "--processors", "asr,ocr"]
        ours = {"MOMENTRY_URL": f"http://127.0.0.1:{self.gateway.port}", "RUNS": str(self.runs)}
        with (self.place / f"{name}.log").open("ab") as out:
            return subprocess.Popen(
                [sys.executable, str(WORKER), *words, "--", sys.executable, str(script), *GIVEN],
                env={**os.environ, **ours, "MOMENTRY_KEY": self.secret},
                stdout=out,
                stderr=out,
            )

    @property
    def runs(self) -> Path:
        return self.place / "runs"

    def started(self) -> int:
        return sum(1 for file in self.runs.iterdir() if file.name != "hang")

    def states(self) -> dict[str, int]:
        return dict(self.own.fetch(STATES))


@pytest.fixture
def place() -> Iterator[Path]:
    """Short: a unix socket's path ends at 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="w-") as path:
        Path(path, "runs").mkdir()
        yield Path(path)


@pytest.fixture
def house(migrated: Database, place: Path) -> Iterator[House]:
    socket = str(place / "django.sock")
    with own_database(migrated, "worked") as own:
        with own.rows():
            secret = worker_secret()
        ours = {"DATABASE_URL": own.url, "DJANGO_SOCKET": socket}
        django = command("serve", place / "django.log", ours)
        try:
            with starting(own, place) as start:
                gateway = start(1, **ours).wait_until_listening()
                assert within(90, lambda: gateway.get("/readyz").status == 200)
                yield House(own, gateway, django, place, secret)
        finally:
            django.kill()
            django.wait(timeout=10)


def jobs_in(house: House, count: int) -> None:
    with house.own.rows():
        alice = make.member()
        for _ in range(count):
            given.job(alice, ["asr", "ocr"])


def all_done(house: House, steps: int) -> bool:
    return house.states() == {"done": steps}


def told_once(house: House, jobs: int) -> None:
    """Each job's end is told once, and each step has the result of its own."""
    kinds = house.own.fetch(
        "SELECT kind, count(*) FROM events_event WHERE subject LIKE 'job:%%' GROUP BY 1"
    )
    assert kinds == [("job:done", jobs)]
    rows = house.own.fetch(
        "SELECT v.path, s.result::text, s.artefacts::text, v.id::text || s.processor"
        "  FROM videos_processingstep s JOIN videos_processingjob j ON j.id = s.job_id"
        "  JOIN videos_video v ON v.id = j.video_id"
    )
    for path, result, artefacts, step in rows:
        assert json.loads(str(result)) == {"path": path}
        assert json.loads(str(artefacts)) == [f"https://a.example/{step}"]


def test_three_workers_of_which_one_is_killed_finish_each_job_once(house: House) -> None:
    jobs_in(house, 12)
    hang = house.runs / "hang"
    hang.touch()
    with house.workers("w1") as (victim,):
        assert within(60, lambda: house.started() == 1)
        victim.kill()
        victim.wait(timeout=10)
    hang.unlink()
    assert house.states() == {"queued": 22, "running": 2}
    house.own.execute(LATE)  # its thirty seconds go by

    with house.workers("w2", "w3", "w4"):
        assert within(120, lambda: all_done(house, 24)), house.states()

    told_once(house, 12)
    attempts = house.own.fetch(
        "SELECT attempts, count(*) FROM videos_processingstep GROUP BY 1 ORDER BY 1"
    )
    assert attempts == [(1, 22), (2, 2)]
    runs = sorted(len(file.read_text()) for file in house.runs.iterdir())
    assert runs == [1] * 23 + [2]
    assert house.secret.encode() not in b"".join(
        file.read_bytes() for file in house.place.glob("*.log")
    )


def test_a_worker_that_is_told_to_end_gives_its_job_back(house: House) -> None:
    jobs_in(house, 1)
    (house.runs / "hang").touch()
    with house.workers("w1") as (worker,):
        assert within(60, lambda: house.started() == 1)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=30) == 0

    assert house.states() == {"queued": 2}
    assert house.own.fetch("SELECT DISTINCT attempts FROM videos_processingstep") == [(0,)]


def test_workers_wait_without_a_connection_until_there_is_work(house: House) -> None:
    with house.workers("w1", "w2") as workers:
        looked = ACTIVITY + "query LIKE '%%AS waiting%%'"
        assert within(60, lambda: house.own.fetch(looked) != [(0,)])
        assert house.own.fetch(ACTIVITY + "state LIKE 'idle in transaction%%'") == [(0,)]
        jobs_in(house, 2)
        assert within(60, lambda: all_done(house, 4)), house.states()
        for worker in workers:  # in the middle of a long poll
            worker.send_signal(signal.SIGTERM)
        assert [worker.wait(timeout=10) for worker in workers] == [0, 0]
    house.django.terminate()
    assert house.django.wait(timeout=20) == 0
    assert house.gateway.stop() == 0
    ((claims,),) = house.own.fetch(CLAIMS)
    assert 2 <= int(str(claims)) <= 8  # nobody asks again and again
    assert house.gateway.errors() == []
