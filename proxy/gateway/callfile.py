"""The file in which one gateway process notes its open calls, so that a kill does not hide them.

What was written with pwrite(2) is the kernel's, and outlives the process. (A mapping would too, but
on a full disk it is a SIGBUS where pwrite is an error.) One page for each call, at an offset of
whole pages: a kill does not tear it, and a checksum tells what a power cut tore.
"""

import fcntl
import json
import os
import stat
import struct
import zlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from apikeys.requestlog.row import COLUMNS, PATH_LENGTH, LogRow
from momentry.common.ids import uuid7

PAGE: Final = 4096
MOST: Final = 16_384  # calls in one file: 64 MiB
MAGIC: Final = b"momentry open calls\n"
FORMAT: Final = 1
VERSION: Final = zlib.crc32(repr((FORMAT, COLUMNS)).encode())
HEADER: Final = struct.Struct("<20sI32s")  # with the id under which its rows are written
ROW: Final = struct.Struct("<II")  # length and checksum; a length of 0 is a free page
FREE: Final = bytes(ROW.size)
ENDING: Final = ".calls"
HIDDEN: Final = ".calls-"  # of a file that is being made
SHORT_PATH: Final = PATH_LENGTH // 4  # of a row that does not fit: escapes may take much room
FLAGS: Final = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW


class Foreign(Exception):
    """Not a file of ours, or one that another version wrote."""


class CallFile:
    """Held by flock(2) as long as its process lives. Every method may raise OSError."""

    __slots__ = ("descriptor", "path")

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor

    def write(self, page: int, row: LogRow) -> None:
        os.pwrite(self.descriptor, packed(row), (page + 1) * PAGE)

    def clear(self, page: int) -> None:
        os.pwrite(self.descriptor, FREE, (page + 1) * PAGE)

    def rows(self) -> Iterator[LogRow | None]:
        """None for a page that is free or torn."""
        pages = os.fstat(self.descriptor).st_size // PAGE + 1
        for page in range(1, min(pages, MOST + 1)):
            yield unpacked(os.pread(self.descriptor, PAGE, page * PAGE))

    def name(self) -> str:
        """Under which its rows are written. Raises Foreign."""
        magic, version, name = HEADER.unpack(
            os.pread(self.descriptor, HEADER.size, 0).ljust(HEADER.size, b"\0")
        )
        if magic != MAGIC or version != VERSION:
            raise Foreign
        return str(name.decode("ascii", "replace"))

    def remove(self) -> None:
        """Nothing of it is to be found again: each of the two is enough."""
        try:
            os.ftruncate(self.descriptor, 0)
        finally:
            self.path.unlink(missing_ok=True)

    def is_empty(self) -> bool:
        """As remove() leaves it where the directory lets nobody remove."""
        return os.fstat(self.descriptor).st_size == 0

    def close(self) -> None:
        os.close(self.descriptor)


def create(directory: Path) -> CallFile:
    """A new one, held from before it has its name on. Raises OSError."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = uuid7().hex
    path, hidden = directory / f"{name}{ENDING}", directory / f"{HIDDEN}{name}"
    descriptor = os.open(hidden, FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.pwrite(descriptor, HEADER.pack(MAGIC, VERSION, name.encode()), 0)
        hidden.rename(path)
    except OSError:
        hidden.unlink(missing_ok=True)
        os.close(descriptor)
        raise
    return CallFile(path, descriptor)


def take(path: Path) -> CallFile | None:
    """Of a process that is gone; None where it lives, or another reads it. Raises OSError."""
    descriptor = os.open(path, FLAGS | os.O_NONBLOCK)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        os.close(descriptor)
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return CallFile(path, descriptor)


def packed(row: LogRow) -> bytes:
    data = to_bytes(row)
    if len(data) > PAGE - ROW.size:
        data = to_bytes(row._replace(path=row.path[:SHORT_PATH]))
    return ROW.pack(len(data), zlib.crc32(data)) + data


def to_bytes(row: LogRow) -> bytes:
    return json.dumps(row, default=str, ensure_ascii=False, separators=(",", ":")).encode()


def unpacked(page: bytes) -> LogRow | None:
    if len(page) < ROW.size:
        return None
    length, checksum = ROW.unpack_from(page)
    data = page[ROW.size : ROW.size + length]
    if not length or len(data) != length or zlib.crc32(data) != checksum:
        return None
    row = LogRow(*json.loads(data))
    return row._replace(
        ts=datetime.fromisoformat(str(row.ts)),
        id=UUID(str(row.id)),
        key_id=row.key_id and UUID(str(row.key_id)),
        member_id=row.member_id and UUID(str(row.member_id)),
    )
