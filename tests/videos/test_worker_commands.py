"""What integrations/worker makes of its command's ends; momentry's processes are real."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import make
from tests.gateway.wire import within
from tests.videos import jobs as given
from tests.videos.test_reference_worker import (  # noqa: F401  fixtures
    WORKER,
    House,
    house,
    place,
)

PROCESSORS = ["asr", "cut", "yolo", "ocr", "face", "pose"]
SCRIPT = """
import os, pathlib, subprocess, sys, time
kind, here = os.environ["MOMENTRY_PROCESSOR"], pathlib.Path(os.environ["RUNS"])
if kind == "asr":
    print("no speech in it", file=sys.stderr)
    sys.exit(65)
if kind == "cut":
    time.sleep(600)
if kind == "yolo":
    print("{not JSON")
if kind == "ocr":
    pathlib.Path(os.environ["MOMENTRY_PROGRESS_FILE"]).write_text("55")
    pathlib.Path(os.environ["MOMENTRY_RESULT_FILE"]).write_text('{"words": 3}')
    print("for people")
if kind == "face":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (here / "child").write_text(str(child.pid))
    print("[1, 2]")
if kind == "pose":
    sys.exit(7)
"""
STEPS = "SELECT processor, state, last_error, result::text FROM videos_processingstep"


def is_gone(pid: int) -> bool:
    """Ended, or a zombie of whoever adopted it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def run(house: House, *options: str) -> int:  # noqa: F811
    script = house.place / "ends.py"
    script.write_text(SCRIPT)
    ours = {"MOMENTRY_URL": f"http://127.0.0.1:{house.gateway.port}", "RUNS": str(house.runs)}
    words = ["--processors", ",".join(PROCESSORS), "--until-empty", "--timeout", "2", *options]
    with (house.place / "ends.log").open("wb") as out:
        worker = subprocess.Popen(
            [sys.executable, str(WORKER), *words, "--", sys.executable, str(script)],
            env={**os.environ, **ours, "MOMENTRY_KEY": house.secret},
            stdout=out,
            stderr=out,
        )
    try:
        return worker.wait(timeout=120)
    finally:
        worker.kill()


@pytest.mark.slow
def test_each_end_of_a_command_is_told_as_what_it_is(house: House) -> None:  # noqa: F811
    with house.own.rows():
        given.job(make.member(), PROCESSORS)

    assert run(house) == 0

    rows = {
        str(kind): (state, str(why), result) for kind, state, why, result in house.own.fetch(STEPS)
    }
    said = (house.place / "ends.log").read_text()
    assert {kind: state for kind, (state, _, _) in rows.items()} == {
        "asr": "dead", "cut": "queued", "yolo": "dead", "ocr": "done", "face": "done",
        "pose": "queued",
    }, said  # fmt: skip
    assert rows["asr"][1].startswith("the command ended with 65\nno speech in it")
    assert rows["cut"][1].startswith("not done in 2 s")
    assert rows["yolo"][1].startswith("the result is unusable: ")
    assert rows["pose"][1].startswith("the command ended with 7")
    assert json.loads(str(rows["ocr"][2])) == {"words": 3}
    assert json.loads(str(rows["face"][2])) == [1, 2]
    child = int((house.runs / "child").read_text())
    assert within(5, lambda: is_gone(child)), "what a command leaves behind ends with it"


def test_it_is_written_for_python_3_9() -> None:
    """Its words only: what it imports was tried by hand."""
    files = sorted(WORKER.parent.glob("*.py"))

    assert len(files) == 3
    for file in files:
        ast.parse(file.read_text(), feature_version=(3, 9))
