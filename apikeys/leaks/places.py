"""What there is to search: standard input, a file, all files of a directory.

Standard library only. Links are not followed and nothing but regular files is opened, so that no
pipe makes anybody wait and nothing is read twice.
"""

import os
import stat
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from typing import Final, NamedTuple

from apikeys.leaks.reading import Fill

STANDARD_INPUT: Final = "-"
# Not on any disk; some of these files never end.
VIRTUAL: Final = frozenset({"/proc", "/sys", "/dev"})
PACKED: Final = (".git", "objects")  # compressed: what is in there, only the history tells
OPEN: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK

Fault = Callable[[str, str], None]


class Source(NamedTuple):
    """``name``: a path, or of an object of a repository its id."""

    name: str
    fill: Fill


def standard_input() -> Iterator[Source]:
    yield Source(STANDARD_INPUT, FileIO(0, closefd=False).readinto)


def files(root: Path, fault: Fault) -> Iterator[Source]:
    """In the order of their names. ``fault`` is told of what cannot be read; the rest goes on."""
    waiting = [str(root)]
    while waiting:
        path = waiting.pop()
        try:
            kind = os.lstat(path).st_mode
            if stat.S_ISDIR(kind):
                waiting += reversed(entries(path))
            elif stat.S_ISREG(kind):
                yield from opened(path)
        except OSError as error:
            fault(path, error.strerror or type(error).__name__)


def entries(path: str) -> list[str]:
    if os.path.abspath(path) in VIRTUAL or Path(path).parts[-2:] == PACKED:  # noqa: PTH100  no links are followed
        return []
    with os.scandir(path) as found:
        return sorted(entry.path for entry in found)


def opened(path: str) -> Iterator[Source]:
    """Nothing when it became something else meanwhile."""
    number = os.open(path, OPEN)
    with os.fdopen(number, "rb", buffering=0) as file:
        if stat.S_ISREG(os.fstat(number).st_mode):
            yield Source(path, file.readinto)
