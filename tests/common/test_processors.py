"""What is asked of the scheduler, as the kernel tells it of a process that asked."""

import os
import subprocess
import sys

import pytest

from momentry.supervisor.places import ROOT
from tests.common.slices import SHORT, slice_of


def said(code: str) -> str:
    command = [sys.executable, "-c", f"from momentry.common.processors import *\n{code}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_who_takes_short_slices_has_them_and_keeps_all_else() -> None:
    ask = "os.nice(3); print(take_short_slices(), os.nice(0), os.sched_getscheduler(0), flush=True)"
    wait = "import sys; sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", f"from momentry.common.processors import *\n{ask}\n{wait}"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stdout.readline().split() == ["True", str(os.nice(0) + 3), "0"]
        assert slice_of(process.pid) == SHORT


def test_another_policy_stays_as_somebody_chose_it() -> None:
    choose = "os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))"

    found = said(
        f"{choose}; print(take_short_slices(), os.sched_getscheduler(0) == os.SCHED_BATCH)"
    )

    assert found == "False True"


@pytest.mark.parametrize("change", ["platform.machine = lambda: 'vax'", "platform.system = str"])
def test_where_slices_are_unknown_nothing_happens(change: str) -> None:
    assert said(f"{change}; print(take_short_slices())") == "False"


def test_one_processor_of_several_is_left() -> None:
    mine = os.sched_getaffinity(0)

    found = said("leave_one_processor(); print(sorted(os.sched_getaffinity(0)))")

    assert found == str(sorted(mine)[1:] if len(mine) > 1 else sorted(mine))


def test_the_only_processor_is_kept() -> None:
    only = "os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])"

    found = said(f"{only}; leave_one_processor(); print(len(os.sched_getaffinity(0)))")

    assert found == "1"
