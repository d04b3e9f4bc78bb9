"""The data directory of an install: its layout, and the lock that keeps a second start out."""

import fcntl
import os
import shutil
from pathlib import Path
from typing import Final

from momentry.supervisor.errors import CannotStartError

SMALLEST_DISK: Final = 200 * 1024 * 1024  # a new cluster with its log, and room to breathe


LOCK: Final = "up.lock"
RUN: Final = "run"  # where the sockets are


def is_held(path: Path) -> bool:
    """Does a momentry run with this data directory?"""
    try:
        lock = os.open(path / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


class DataDirectory:
    """Opened and locked from the start to the end of the process. Raises CannotStartError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.logs = path / "log"
        self.secrets = path / "secrets"
        self.run = path / RUN
        self.postgres = path / "postgres"
        self.valkey = path / "valkey"
        try:
            for directory in (path, self.logs, self.secrets):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.secrets.chmod(0o700)
            self.lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise CannotStartError(unwritable(path, error)) from error

    def hold(self, port: int) -> None:
        """Take the lock and write who holds it; a second instance gets a sentence instead."""
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStartError(self.taken()) from None
        try:
            os.ftruncate(self.lock, 0)
            os.pwrite(self.lock, f"{os.getpid()} {port}\n".encode(), 0)
            os.fsync(self.lock)
        except OSError as error:
            raise CannotStartError(unwritable(self.path, error)) from error

    def taken(self) -> str:
        words = os.pread(self.lock, 64, 0).decode().split()
        sentence = f"momentry already runs with the data directory {self.path}"
        if len(words) == 2:
            sentence += (
                f" (process {words[0]}, http://127.0.0.1:{words[1]}). "
                f"Stop it with 'kill {words[0]}'"
            )
        return f"{sentence}, or give this one another --data-dir and --port."

    def demand_room(self) -> None:
        """Before a cluster is made: half-written ones help nobody."""
        if shutil.disk_usage(self.path).free < SMALLEST_DISK:
            raise CannotStartError(
                f"The disk that holds {self.path} has less than {SMALLEST_DISK >> 20} MB free: "
                "make room, or give --data-dir on another disk."
            )


def unwritable(path: Path, error: OSError) -> str:
    return (
        f"The data directory {path} cannot be written ({error.strerror}): "
        "make it writable for this user, or give another one with --data-dir."
    )
