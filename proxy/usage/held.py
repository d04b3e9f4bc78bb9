"""Bytes that are kept until they are whole, within a bound; no meaning of them here."""

from typing import Final, Self

MOST: Final = 1024 * 1024  # kept in full
TAIL: Final = 64 * 1024  # of what is longer
HEAD: Final = 64 * 1024


class Held:
    """All of it up to MOST; of more (``is_cut``) the first HEAD and the last TAIL bytes.

    What is kept depends on the bytes alone, not on the pieces they came in; each byte is moved a
    bounded number of times.
    """

    __slots__ = ("data", "head", "is_cut", "most")

    def __init__(self) -> None:
        self.data = bytearray()
        self.head = b""
        self.is_cut = False
        self.most = MOST

    def add(self, piece: bytes) -> None:
        self.data += piece
        if len(self.data) > self.most:
            self.shorten()

    def shorten(self) -> None:
        if not self.is_cut:
            self.is_cut = True
            self.head = bytes(self.data[:HEAD])
            self.most = 2 * TAIL
        del self.data[:-TAIL]

    def tail(self) -> bytes:
        return bytes(self.data[-TAIL:])

    def clear(self) -> None:
        self.data = bytearray()
        if self.is_cut:
            self.head = b""
            self.is_cut = False
            self.most = MOST

    def copy(self) -> Self:
        made = type(self)()
        made.data = self.data[:]
        made.head, made.is_cut, made.most = self.head, self.is_cut, self.most
        return made
