"""Where commands put secrets and exports: all of it before the transaction commits, or nothing."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from django.core.management import CommandError
from django.db import InterfaceError, OperationalError

PRIVATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class PrivateFile:
    """A new file that only this user reads. It goes when the block fails, unless the keys in it may
    be there: the database gave no answer after the file was complete."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.complete = False
        try:
            self.out = os.fdopen(os.open(path, PRIVATE, 0o600), "wb")
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}. Nothing was done.") from None

    def write(self, text: str) -> None:
        self.out.write(text.encode())

    def put_down(self) -> None:
        """On the disk from here on."""
        self.out.flush()
        os.fsync(self.out.fileno())
        self.complete = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):  # what was put down is there; the rest is thrown away
            self.out.close()
        if error is None:
            return
        if self.complete and isinstance(error, (OperationalError, InterfaceError)):
            raise CommandError(f"The database gave no answer; {self.path} is kept.") from error
        self.path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise CommandError(f"{self.path}: {error.strerror}. Nothing was done.") from None


class Standard:
    """Standard output, with the same two verbs."""

    def __init__(self, out: Any) -> None:
        self.out = out

    def write(self, text: str) -> None:
        with said_plainly(self.out):
            self.out.write(text, ending="")

    def put_down(self) -> None:
        with said_plainly(self.out):
            self.out.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """It stays open."""


@contextlib.contextmanager
def said_plainly(out: Any) -> Iterator[None]:
    """A full disk or a closed pipe is an error of one sentence; the interpreter does not stumble
    over it again at its end."""
    try:
        yield
    except OSError as error:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
        raise CommandError(f"Standard output: {error.strerror}. Nothing was done.") from None


Out = PrivateFile | Standard


def target(path: str | None, standard: Any) -> Out:
    return Standard(standard) if path is None else PrivateFile(Path(path))


def plain(text: str) -> str:
    """What others wrote, without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
