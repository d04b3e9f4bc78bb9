"""How fast keys are looked for, and that nothing else is taken for one. One process, one core:

    .venv/bin/python benchmarks/leaks.py [--megabytes 256]

Megabytes per second of what disks hold (source text, logs, what is random or in base64), read from
files as ``scan_leaks`` reads them; beside that, without a bound, of what was made to be slow. A
million texts that look like keys and are none; ten thousand keys among noise, all of which are.
"""

import argparse
import base64
import os
import random
import sys
import sysconfig
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from stage import Bounds

from apikeys import keyformat
from apikeys.leaks.places import files
from apikeys.leaks.reading import Hit, Searcher

TURNS: Final = 3
LEAST: Final = 200.0
LOOK_ALIKES: Final = 1_000_000
KEYS: Final = 10_000
LETTERS: Final = bytes(ord(keyformat.BASE62[code % 62]) for code in range(256))
PEPPER: Final = bytes(range(32))
MEGABYTE: Final = 1_000_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=256, help="of each kind")
    size = parser.parse_args().megabytes * MEGABYTE
    bounds = Bounds()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "data"
        for name, piece in kinds():
            fill(place, piece, size)
            bounds.check(f"MB/s of {name}", best(place), least=LEAST)
        for name, piece in hostile():
            fill(place, piece, size // 8)
            bounds.check(f"MB/s of {name}, made to be slow", best(place))
        bounds.check("MB/s of the standard library's files", best(library()), least=LEAST)
        measure_look_alikes(place, bounds)
        measure_keys(place, bounds)
    return bounds.code


def kinds() -> Iterator[tuple[str, bytes]]:
    sources = sorted(library().rglob("*.py"))
    yield "Python source", b"".join(path.read_bytes() for path in sources[:400])
    line = '{"time": "2026-06-01T12:00:%02d.%06dZ", "level": "info", "message": "member %s moved"}'
    rows = (line % (n % 60, n * 37 % 1_000_000, uuid.UUID(int=n)) for n in range(50_000))
    yield "JSON logs", "\n".join(rows).encode()
    yield "random bytes", os.urandom(8 * MEGABYTE)
    yield "base64", base64.encodebytes(os.urandom(6 * MEGABYTE))


def hostile() -> Iterator[tuple[str, bytes]]:
    yield "the letter m", b"m" * MEGABYTE
    yield "beginnings of keys", b"muser_" * 200_000
    key = keyformat.mint("muser", uuid.UUID(int=1), owner="a", pepper=PEPPER, at=1)
    yield "keys without their last letter", f"{key[:-1]}!".encode() * 10_000


def library() -> Path:
    return Path(sysconfig.get_paths()["stdlib"])


def fill(place: Path, piece: bytes, size: int) -> None:
    with place.open("wb") as out:
        for _ in range(max(1, size // len(piece))):
            out.write(piece)


def best(root: Path) -> float:
    """Of turns: all else only adds. The first one also brings the files into memory."""
    found = []
    for _ in range(TURNS):
        searcher, began = Searcher(), time.process_time()
        for _ in search(root, searcher):
            pass
        found.append(searcher.done / MEGABYTE / (time.process_time() - began))
    return max(found)


def search(root: Path, searcher: Searcher) -> Iterator[Hit]:
    for source in files(root, lambda *_: None):
        yield from searcher.search(source.fill)


def measure_look_alikes(place: Path, bounds: Bounds) -> None:
    """Half are of the right form throughout with six letters by chance at the end, half are a real
    key with two neighbours exchanged, one letter of another case, or another beginning."""
    with place.open("wb") as out:
        for number in range(LOOK_ALIKES // 2):
            out.write(by_chance(number) + b"\n" + nearly(number) + b"\n")
    began, searcher = time.process_time(), Searcher()
    hits = sum(1 for _ in search(place, searcher))
    spent = (time.process_time() - began) / LOOK_ALIKES * 1e6
    bounds.check("look-alikes of 1,000,000 that are refused", LOOK_ALIKES - hits, least=LOOK_ALIKES)
    bounds.check("microseconds of CPU for each", spent)


def by_chance(number: int) -> bytes:
    letters = os.urandom(55).translate(LETTERS)
    prefix = keyformat.PREFIXES[number % 4].encode()
    return b"%b_%b_t%05x_%b_%b" % (
        prefix, uuid.uuid4().hex.encode(), number % 0xFFFFF, letters[:43], letters[43:],
    )  # fmt: skip


def nearly(number: int) -> bytes:
    key = keyformat.mint("muser", uuid.uuid4(), owner="a", pepper=PEPPER, at=number)
    kind = number % 3
    if kind == 0:
        return key.replace("muser", "mtrial").encode()
    places = random.Random(number).sample(range(-55, -13), 42)  # noqa: S311  the same each time
    for place in places:
        other = key[place] + key[place - 1] if kind == 1 else key[place - 1] + key[place].swapcase()
        if other != key[place - 1 : place + 1] and "_" not in other:
            return (key[: place - 1] + other + key[place + 1 :]).encode()
    return b""


def measure_keys(place: Path, bounds: Bounds) -> None:
    chance = random.Random(1)  # noqa: S311  the same each time
    with place.open("wb") as out:
        for number in range(KEYS):
            prefix = keyformat.PREFIXES[number % 4]
            key = keyformat.mint(prefix, uuid.uuid4(), owner="a", pepper=PEPPER, at=number)
            out.write(os.urandom(chance.randrange(2000)) + key.encode())
    hits = len({hit.candidate.texts for hit in search(place, Searcher())})
    bounds.check("keys of 10,000 that are found", hits, least=KEYS)


if __name__ == "__main__":
    sys.exit(main())
