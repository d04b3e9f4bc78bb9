"""Who yields to whom where the processors are short: as the scheduler sees it."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from momentry.supervisor.child import Child, launching
from tests.supervisor.tools import python, until

SESSION = Path("/proc/self/autogroup")
SAY = """
import os, pathlib
session = pathlib.Path("/proc/self/autogroup")
print(os.nice(0), session.read_text() if session.exists() else "", "said", flush=True)
"""


def said(child: Child) -> list[str]:
    child.start()
    assert until(lambda: "said" in child.spec.log.read_text())
    return child.spec.log.read_text().split()


def in_a_session(nice: int) -> list[str]:
    """How Linux tells it of who leads a session, where sessions share the processors.

    Asked by one that does: a container's first session shares with nobody and says nothing.
    """
    told = subprocess.run(
        python(SAY), start_new_session=True, check=True, capture_output=True, text=True
    )
    return ["nice", str(nice)] if told.stdout.split()[1:-1] else []


def test_a_child_that_yields_does_so_beyond_its_own_session(child: Callable[..., Child]) -> None:
    nice = os.nice(0)

    found = said(child("background", SAY, nice=5))

    assert found[0] == str(nice + 5)
    assert found[2:-1] == in_a_session(5)


def test_another_does_not(child: Callable[..., Child]) -> None:
    found = said(child("gateway", SAY))

    assert found[0] == str(os.nice(0))
    assert found[2:-1] == in_a_session(0)


def test_who_leads_no_session_leaves_the_session_alone() -> None:
    before = SESSION.read_text() if SESSION.exists() else ""

    subprocess.run(launching(python("pass"), nice=5), check=True)

    assert (SESSION.read_text() if SESSION.exists() else "") == before
