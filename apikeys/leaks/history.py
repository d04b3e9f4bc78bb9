"""All that a git repository ever held, by git's plumbing: files, commit messages and tags, of what
no branch leads to any more too. Standard library only.

Nothing of the repository is run, and nothing is fetched: its configuration is not ours to obey.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from apikeys.leaks.places import Source

WANTED: Final = frozenset({b"blob", b"commit", b"tag"})
OURS: Final = (
    *("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"),
    *("-c", "log.showSignature=false", "--no-replace-objects", "--no-pager"),
)
SURROUNDINGS: Final = {
    "GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "", "LC_ALL": "C",
}  # fmt: skip
EVERYWHERE: Final = ("--all", "--reflog")


class HistoryError(Exception):
    """``str()`` is one sentence for a person."""


class History:
    """``path``: anywhere in the repository. ``total``: its objects, once ``objects`` has begun."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.total = 0

    def objects(self) -> Iterator[Source]:
        """Each must be read before the next. Raises HistoryError."""
        with tempfile.TemporaryFile() as ids:
            self.total = self.list_into(ids)
            ids.seek(0)
            with self.git("cat-file", "--batch", "--buffer", stdin=ids) as out:
                while head := out.readline():
                    name, _, *size = head.split()
                    if not size:  # "missing": a clone that has not all
                        continue
                    left = Contents(out, int(size[0]))
                    yield Source(name.decode(), left.fill)
                    left.skip()
                    out.read(1)

    def list_into(self, ids: IO[bytes]) -> int:
        total = 0
        form = "--batch-check=%(objectname) %(objecttype)"
        with self.git("cat-file", "--batch-all-objects", "--unordered", "--buffer", form) as out:
            for line in out:
                name, _, kind = line.rstrip().partition(b" ")
                if kind in WANTED:
                    ids.write(name + b"\n")
                    total += 1
        return total

    def paths_of(self, names: Iterable[str]) -> dict[str, str]:
        """Where these objects were files, as far as a branch, a tag or a reflog leads there."""
        wanted = {name.encode() for name in names}
        found: dict[str, str] = {}
        with self.git("rev-list", "--objects", *EVERYWHERE) as out:
            for line in out:
                name, _, path = line.rstrip(b"\n").partition(b" ")
                if name in wanted and path:
                    found.setdefault(name.decode(), path.decode(errors="replace"))
        return found

    def commit_of(self, name: str) -> str:
        """The oldest commit that brought or took the object; "" when nothing leads to one."""
        asked = ("log", *EVERYWHERE, "--no-textconv", "--no-ext-diff", "--format=%H")
        with self.git(*asked, f"--find-object={name}") as out:
            commits = out.read().split()
        return commits[-1].decode() if commits else ""

    @contextmanager
    def git(self, *words: str, stdin: IO[bytes] | None = None) -> Iterator[IO[bytes]]:
        """What it says; it is stopped when nobody listens any more."""
        command = ["git", "-C", str(self.path), *OURS, *words]
        with tempfile.TemporaryFile() as complaints:
            process = start(command, stdin, complaints)
            assert process.stdout is not None  # noqa: S101  it is a pipe
            try:
                yield process.stdout
            except BaseException:
                process.kill()
                raise
            finally:
                process.stdout.close()
                process.wait()
            if process.returncode:
                complaints.seek(0)
                raise HistoryError(f"git: {last_line(complaints.read())}")


def start(
    command: list[str], stdin: IO[bytes] | None, complaints: IO[bytes]
) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(
            command,
            stdin=stdin or subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env={**os.environ, **SURROUNDINGS},
        )
    except OSError as error:
        raise HistoryError(f"git cannot be started: {error.strerror}.") from None


class Contents:
    """One object's bytes in the stream of many."""

    def __init__(self, out: IO[bytes], size: int) -> None:
        self.out = out
        self.left = size

    def fill(self, view: memoryview) -> int:
        if not self.left:
            return 0
        count: int = self.out.readinto(view[: self.left])  # type: ignore[attr-defined]
        if not count:
            raise HistoryError("git broke off in the middle of an object.")
        self.left -= count
        return count

    def skip(self) -> None:
        while self.left:
            self.fill(memoryview(bytearray(1 << 16)))


def last_line(said: bytes) -> str:
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("fatal: ") if lines else "it ended with an error"
