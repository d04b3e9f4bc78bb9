"""What there is to search: standard input, a file, all files of a directory.

Standard library only. Links are not followed, but for the one that is named itself, and nothing
but regular files is opened, so that no pipe makes anybody wait and nothing is read twice.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from io import FileIO
from pathlib import Path
from typing import Final, NamedTuple

from apikeys.leaks.reading import Fill

STANDARD_INPUT: Final = "-"
# Not on any disk; some of these files never end.
VIRTUAL: Final = frozenset({"/proc", "/sys", "/dev"})
PACKED: Final = (".git", "objects")  # compressed: what is in there, only the history tells
OPEN: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
NOT_SEARCHED: Final = (
    "is not searched: no file, or a directory of none. Standard input is -, git's objects --history"
)

Fault = Callable[[str, str], None]


class Source(NamedTuple):
    """``name``: a path, or of an object of a repository its id."""

    name: str
    fill: Fill


def standard_input() -> Iterator[Source]:
    yield Source(STANDARD_INPUT, FileIO(0, closefd=False).readinto)


def files(root: Path, fault: Fault) -> Iterator[Source]:
    """In the order of their names. ``fault`` is told of what cannot be read, and of a root that is
    not looked at; the rest goes on."""
    name, virtual = str(root), identities(VIRTUAL)
    waiting = [name]
    while waiting:
        path = waiting.pop()
        try:
            known = Path(path).stat(follow_symlinks=path is name)
            if stat.S_ISREG(known.st_mode):
                yield from opened(path, OPEN & ~os.O_NOFOLLOW if path is name else OPEN)
            elif stat.S_ISDIR(known.st_mode) and not is_left_out(path, known, virtual):
                waiting += reversed(entries(path))
            elif path is name:
                fault(path, NOT_SEARCHED)
        except OSError as error:
            fault(path, error.strerror or type(error).__name__)


def identities(paths: Iterable[str]) -> set[tuple[int, int]]:
    known = [Path(path).stat() for path in paths if Path(path).exists()]
    return {(each.st_dev, each.st_ino) for each in known}


def is_left_out(path: str, known: os.stat_result, virtual: set[tuple[int, int]]) -> bool:
    return (known.st_dev, known.st_ino) in virtual or Path(path).parts[-2:] == PACKED


def entries(path: str) -> list[str]:
    with os.scandir(path) as found:
        return sorted(entry.path for entry in found)


def opened(path: str, how: int) -> Iterator[Source]:
    """Nothing when it became something else meanwhile."""
    number = os.open(path, how)
    with os.fdopen(number, "rb", buffering=0) as file:
        if stat.S_ISREG(os.fstat(number).st_mode):
            yield Source(path, file.readinto)
