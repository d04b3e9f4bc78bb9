"""Bytes made wrong on purpose, by a seed: the same seed always makes the same."""

import random
import re
from collections.abc import Callable, Sequence
from itertools import pairwise

ODD = [
    *(bytes((code,)) for code in (0, 9, 10, 11, 12, 13, 0x1C, 0x20, 0x7F, 0x80, 0x85, 0xA0, 0xFF)),
    b"\r\n", b"\r\n\r\n", b"\n\n", b"\r\n ", b": ", b":", b",", b";", b'"', b"\\", b"%", b"%00",
    b"/", b"..", b"_", b"-", b"+", b"#", b"?", b"@", b"\xc2\xb2", b"\xef\xbb\xbf",
]  # fmt: skip
NUMBERS = [
    b"0", b"1", b"00", b"-1", b"+1", b"0x10", b"1_0", b"1 0", b"007", b"1.0", b"255", b"256",
    b"1023", b"1024", b"32768", b"65535", b"65536", b"2147483648", b"4294967296", b"ffffffff",
    b"9007199254740992", b"9007199254740993", b"ffffffffffffffff", b"18446744073709551616",
    b"9" * 30,
]  # fmt: skip
NUMBER = re.compile(rb"\b[0-9a-fA-F]+\b")
LONGEST = 40_000

Change = Callable[["Mutator", bytearray], None]


class Mutator:
    def __init__(self, seed: int, samples: Sequence[bytes], tokens: Sequence[bytes] = ()) -> None:
        self.random = random.Random(seed)
        self.samples = list(samples)
        self.words = [*ODD, *tokens]

    def next(self) -> bytes:
        return self.mutate(self.random.choice(self.samples))

    def mutate(self, sample: bytes) -> bytes:
        """One to four changes, mostly one."""
        data = bytearray(sample)
        for _ in range(self.random.choice((1, 1, 1, 2, 2, 3, 4))):
            self.random.choice(CHANGES)(self, data)
        return bytes(data[:LONGEST])

    def place(self, data: bytearray) -> int:
        return self.random.randint(0, len(data))

    def span(self, data: bytearray) -> slice:
        at = self.place(data)
        return slice(at, at + self.random.choice((1, 1, 2, 3, 8, 30, 200)))

    def flip(self, data: bytearray) -> None:
        if data:
            data[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)

    def replace(self, data: bytearray) -> None:
        if data:
            data[self.random.randrange(len(data))] = self.random.randrange(256)

    def insert(self, data: bytearray) -> None:
        at = self.place(data)
        data[at:at] = self.random.choice(self.words)

    def overwrite(self, data: bytearray) -> None:
        data[self.span(data)] = self.random.choice(self.words)

    def delete(self, data: bytearray) -> None:
        del data[self.span(data)]

    def repeat(self, data: bytearray) -> None:
        part, at = data[self.span(data)], self.place(data)
        data[at:at] = part * self.random.choice((1, 1, 2, 120))

    def repeat_line(self, data: bytearray) -> None:
        lines = data.split(b"\r\n")
        at = self.random.randrange(len(lines))
        lines.insert(self.random.randint(0, len(lines)), lines[at])
        data[:] = b"\r\n".join(lines)

    def splice(self, data: bytearray) -> None:
        """Its beginning and another's end."""
        other = self.random.choice(self.samples)
        data[self.place(data) :] = other[self.random.randint(0, len(other)) :]

    def renumber(self, data: bytearray) -> None:
        if found := list(NUMBER.finditer(data)):
            one = self.random.choice(found)
            data[one.start() : one.end()] = self.random.choice(NUMBERS)

    def recase(self, data: bytearray) -> None:
        part = self.span(data)
        data[part] = data[part].swapcase()

    def cut(self, data: bytearray) -> None:
        del data[self.place(data) :]

    def pieces(self, data: bytes) -> list[bytes]:
        """In random splits, often none."""
        cuts = self.random.choice((0, 0, 1, 2, 5))
        edges = sorted(self.random.randint(0, len(data)) for _ in range(cuts))
        marks = [0, *edges, len(data)]
        return [data[begin:end] for begin, end in pairwise(marks) if begin < end]


CHANGES: list[Change] = [
    Mutator.flip, Mutator.replace, Mutator.insert, Mutator.insert, Mutator.overwrite,
    Mutator.delete, Mutator.repeat, Mutator.repeat_line, Mutator.splice, Mutator.renumber,
    Mutator.recase, Mutator.cut,
]  # fmt: skip
