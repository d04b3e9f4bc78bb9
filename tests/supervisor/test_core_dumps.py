"""A core dump would hold secrets: `up` allows none, and everything it starts inherits that."""

import subprocess
import sys

from momentry.supervisor.places import ROOT
from tests.supervisor.running import core_limit

SHOW = "import pathlib; print(pathlib.Path('/proc/self/limits').read_text())"
START = f"""
import resource, subprocess, sys
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
from momentry.supervisor.up import raise_limits
raise_limits()
subprocess.run([sys.executable, "-c", {SHOW!r}], check=True)
"""


def test_a_child_inherits_it() -> None:
    found = subprocess.run(
        [sys.executable, "-c", START], cwd=ROOT, check=True, capture_output=True, text=True
    )

    assert core_limit(found.stdout) == "0"
