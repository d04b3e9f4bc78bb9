"""Inputs worth keeping: one text file per target, one input per line, bytes escaped."""

from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"


def escaped(data: bytes) -> str:
    return data.decode("latin-1").encode("unicode_escape").decode("ascii")


def unescaped(line: str) -> bytes:
    return line.encode("ascii").decode("unicode_escape").encode("latin-1")


def load(name: str) -> list[bytes]:
    path = FOLDER / f"{name}.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    return [unescaped(line) for line in lines]


def save(name: str, inputs: Iterable[bytes]) -> None:
    lines = sorted({escaped(data) for data in inputs if data}, key=lambda line: (len(line), line))
    (FOLDER / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
