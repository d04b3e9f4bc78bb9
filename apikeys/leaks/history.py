"""All that a git repository ever held, by git's plumbing: files, commit messages and tags, of what
no branch leads to any more too. Standard library only.

Nothing of the repository is run, and nothing is fetched: its configuration is not ours to obey.
"""

import os
import subprocess
import tempfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Final

from apikeys.leaks.places import Fault, Source

WANTED: Final = frozenset({b"blob", b"commit", b"tag"})
OURS: Final = (
    *("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"),
    *("-c", "log.showSignature=false", "--no-replace-objects", "--no-pager"),
)
SURROUNDINGS: Final = {
    "GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "", "LC_ALL": "C",
}  # fmt: skip
# Which repository it is, PATH says. Where its objects are, a hook of git's may have to say: what is
# pushed lies apart until the hook agrees.
NAMED_ELSEWHERE: Final = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR"})
EVERYWHERE: Final = ("--all", "--reflog")
DAMAGED: Final = "is damaged: git cannot read it"
MOST_DAMAGED: Final = 100  # for each of them git is started again


class HistoryError(Exception):
    """``str()`` is one sentence for a person."""


class History:
    """``path``: anywhere in the repository. ``fault`` is told of what of it cannot be read."""

    def __init__(self, path: Path, fault: Fault) -> None:
        self.path = path
        self.fault = fault

    def objects(self) -> Iterator[Source]:
        """Each must be read before the next. Raises HistoryError."""
        with tempfile.TemporaryFile() as ids:
            total = self.list_into(ids)
            width = ids.tell() // max(total, 1)
            ids.flush()
            done = damaged = 0
            while done < total and damaged <= MOST_DAMAGED:
                os.lseek(ids.fileno(), done * width, os.SEEK_SET)
                done += yield from self.contents(ids)
                if done < total:  # at the next one git broke off
                    name = os.pread(ids.fileno(), width - 1, done * width)
                    self.fault(name.decode(), DAMAGED)
                    done, damaged = done + 1, damaged + 1
        if done < total:
            raise HistoryError("git breaks off again and again.")
        self.find_missing()

    def contents(self, ids: IO[bytes]) -> Generator[Source, None, int]:
        """How many were whole."""
        whole = 0
        with self.git("cat-file", "--batch", "--buffer", stdin=ids, may_fail=True) as out:
            while (head := out.readline()).endswith(b"\n"):
                name, _, *size = head.split()
                if size:
                    left = Contents(out, int(size[0]))
                    yield Source(name.decode(), left.fill)
                    if not left.skip():
                        break
                    out.read(1)
                else:
                    self.fault(name.decode(), DAMAGED)
                whole += 1
        return whole

    def list_into(self, ids: IO[bytes]) -> int:
        total = 0
        form = "--batch-check=%(objectname) %(objecttype)"
        with self.git("cat-file", "--batch-all-objects", "--unordered", "--buffer", form) as out:
            for line in out:
                name, _, kind = line.rstrip().partition(b" ")
                if kind in WANTED:
                    ids.write(name + b"\n")
                    total += 1
                elif kind == b"missing":
                    self.fault(name.decode(), DAMAGED)
        return total

    def find_missing(self) -> None:
        """Of a clone that has not all of it."""
        with self.walk() as out:
            missing = sum(line.startswith(b"?") for line in out)
        if missing:
            self.fault(str(self.path), f"{missing:,} objects of its history are not there")

    def walk(self) -> AbstractContextManager[IO[bytes]]:
        return self.git("rev-list", "--objects", "--missing=print", *EVERYWHERE)

    def paths_of(self, names: Iterable[str]) -> dict[str, str]:
        """Where these objects were files, as far as a branch, a tag or a reflog leads there."""
        wanted = {name.encode() for name in names}
        found: dict[str, str] = {}
        with self.walk() as out:
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
    def git(
        self, *words: str, stdin: IO[bytes] | None = None, may_fail: bool = False
    ) -> Iterator[IO[bytes]]:
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
            if process.returncode and not may_fail:
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
            env=surroundings(),
        )
    except OSError as error:
        raise HistoryError(f"git cannot be started: {error.strerror}.") from None


def surroundings() -> dict[str, str]:
    inherited = {name: text for name, text in os.environ.items() if name not in NAMED_ELSEWHERE}
    return {**inherited, **SURROUNDINGS}


class Contents:
    """One object's bytes in the stream of many."""

    def __init__(self, out: IO[bytes], size: int) -> None:
        self.out = out
        self.left = size

    def fill(self, view: memoryview) -> int:
        if not self.left:
            return 0
        count: int = self.out.readinto(view[: self.left])  # type: ignore[attr-defined]
        self.left -= count
        return count

    def skip(self) -> bool:
        """False when git broke off in the middle of it."""
        while self.left and self.fill(memoryview(bytearray(1 << 16))):
            pass
        return not self.left


def last_line(said: bytes) -> str:
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("fatal: ") if lines else "it ended with an error"
