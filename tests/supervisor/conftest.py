"""Directories and programs for tests of real processes."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from momentry.supervisor.child import Child, Spec
from tests.supervisor.tools import python


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with a short path; pytest's own is too long for a unix socket."""
    directory = Path(tempfile.mkdtemp(prefix="m-"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def child(place: Path) -> Iterator[Callable[..., Child]]:
    """Makes children of Python code; what still runs at the end is killed."""
    made: list[Child] = []

    def make(name: str, code: str, *, grace: float = 5.0, nice: int = 0) -> Child:
        log = place / f"{name}.log"
        spec = Spec(name, python(code), log, dict(os.environ), grace=grace, nice=nice)
        made.append(Child(spec))
        return made[-1]

    yield make
    for one in made:
        one.kill()
