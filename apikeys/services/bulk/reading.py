"""JSON files of keys, read so that every value knows its line. Pure: no database, no rules.

Python's own reader forgets where a value stood and keeps the last of two equal names; both matter
in a file that people write.
"""

import re
from bisect import bisect_right
from json.decoder import (  # type: ignore[attr-defined]  # scanstring is not in the stubs
    JSONDecodeError,
    scanstring,
)
from typing import Any, Final, NamedTuple, cast

MAX_BYTES: Final = 32 * 1024**2
MAX_DEPTH: Final = 64
MAX_DIGITS: Final = 300
PLACES_DEPTH: Final = (
    4  # keys, its index, the field, the item: deeper values take their item's line
)

SPACE: Final = re.compile(r"[ \t\n\r]*")
NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?P<rest>(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)")
WORD: Final = re.compile(r"true|false|null")
INDEX: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
WORDS: Final = {"true": True, "false": False, "null": None}

Path = tuple[str | int, ...]


class Problem(NamedTuple):
    """What is wrong, and where (a JSON pointer, RFC 6901); ``code`` is one of the errors page."""

    pointer: str
    detail: str
    code: str = "invalid_input"


class Unreadable(Exception):
    """The file cannot be read on from here."""

    def __init__(self, at: int, detail: str) -> None:
        self.at = at
        self.detail = detail
        super().__init__(detail)


class Document(NamedTuple):
    """The entries of a file as they stand there, and what is wrong with the file itself."""

    entries: list[Any]
    problems: list[Problem]
    lines: "Lines"


class Lines:
    """Where values stand: offsets by path, and the line of an offset."""

    def __init__(self, text: str) -> None:
        self.starts: dict[Path, int] = {}
        self.ends = [match.start() for match in re.finditer("\n", text)]

    def mark(self, path: Path, at: int) -> None:
        if len(path) <= PLACES_DEPTH:
            self.starts[path] = at

    def at(self, offset: int) -> int:
        return bisect_right(self.ends, offset - 1) + 1

    def of(self, pointer: str) -> int:
        """The line of the value, or of the nearest one around it; 1 when there is none."""
        path = path_of(pointer)
        while path and path not in self.starts:
            path = path[:-1]
        return self.at(self.starts.get(path, 0))

    def say(self, problem: Problem) -> str:
        """Such as ``line 17: keys[3].permissions: is not …``."""
        line = self.of(problem.pointer)
        name = "".join(
            f"[{step}]" if isinstance(step, int) else f".{step}"
            for step in path_of(problem.pointer)
        )
        return f"line {line}: {name.lstrip('.')}{': ' if name else ''}{problem.detail}"


class Reader:
    """Reads one text by recursive descent; strings by the standard library."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = Lines(text)
        self.problems: list[Problem] = []

    def space(self, at: int) -> int:
        return cast("re.Match[str]", SPACE.match(self.text, at)).end()

    def value(self, at: int, path: Path, depth: int = 1) -> tuple[Any, int]:
        """The value that begins at ``at``, and where it ends."""
        self.lines.mark(path, at)
        if depth > MAX_DEPTH:
            raise Unreadable(at, f"nested more than {MAX_DEPTH} deep")
        begin = self.text[at : at + 1]
        if begin == "{":
            return self.object(at, path, depth)
        if begin == "[":
            return self.array(at, path, depth)
        return self.string(at) if begin == '"' else self.scalar(at)

    def string(self, at: int) -> tuple[str, int]:
        try:
            text, end = scanstring(self.text, at + 1, True)
        except JSONDecodeError as error:
            raise Unreadable(error.pos, f"not a JSON string ({error.msg.lower()})") from None
        return text, end

    def scalar(self, at: int) -> tuple[Any, int]:
        if word := WORD.match(self.text, at):
            return WORDS[word[0]], word.end()
        number = NUMBER.match(self.text, at)
        if number is None:
            raise Unreadable(at, "not JSON: a value was expected")
        if len(number[0]) > MAX_DIGITS:
            raise Unreadable(at, f"a number of more than {MAX_DIGITS} characters")
        return (float if number["rest"] else int)(number[0]), number.end()

    def array(self, at: int, path: Path, depth: int) -> tuple[list[Any], int]:
        found: list[Any] = []
        at = self.space(at + 1)
        if self.text[at : at + 1] == "]":
            return found, at + 1
        while True:
            value, at = self.value(self.space(at), (*path, len(found)), depth + 1)
            found.append(value)
            more, at = self.separator(at, "]")
            if not more:
                return found, at

    def object(self, at: int, path: Path, depth: int) -> tuple[dict[str, Any], int]:
        found: dict[str, Any] = {}
        at = self.space(at + 1)
        if self.text[at : at + 1] == "}":
            return found, at + 1
        while True:
            name, at = self.name(self.space(at), path, found)
            found[name], at = self.value(self.space(at), (*path, name), depth + 1)
            more, at = self.separator(at, "}")
            if not more:
                return found, at

    def name(self, at: int, path: Path, found: dict[str, Any]) -> tuple[str, int]:
        if self.text[at : at + 1] != '"':
            raise Unreadable(at, 'not JSON: a name in " was expected')
        name, end = self.string(at)
        if name in found:
            self.problems.append(Problem(pointer_of((*path, name)), "this name is there twice"))
        end = self.space(end)
        if self.text[end : end + 1] != ":":
            raise Unreadable(end, "not JSON: a colon was expected")
        return name, end + 1

    def separator(self, at: int, end: str) -> tuple[bool, int]:
        """Whether another item follows, and where."""
        at = self.space(at)
        found = self.text[at : at + 1]
        if found not in (",", end) or not found:
            raise Unreadable(at, f"not JSON: , or {end} was expected")
        return found == ",", at + 1


def read(data: bytes) -> Document:
    """A file ``{"keys": […]}``, or JSON lines: one object after another. Never raises."""
    if len(data) > MAX_BYTES:
        return unread(f"the file is larger than {MAX_BYTES >> 20} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return unread(f"the file is not UTF-8 (on line {line})")
    reader = Reader(text)
    try:
        return document(reader)
    except Unreadable as error:
        reader.lines.starts = {(): error.at}
        problem = Problem("#", f"{error.detail} (column {column(text, error.at)})")
        return Document([], [problem], reader.lines)


def document(reader: Reader) -> Document:
    if (at := reader.space(0)) == len(reader.text):
        raise Unreadable(0, "the file is empty")
    first, end = reader.value(at, ())
    rest = reader.space(end)
    if isinstance(first, dict) and "keys" in first:
        if rest < len(reader.text):
            raise Unreadable(rest, "something follows the end of the document")
        return whole(first, reader)
    return one_by_one(reader)


def whole(found: dict[str, Any], reader: Reader) -> Document:
    unknown = [name for name in found if name != "keys"]
    reader.problems += [
        Problem(pointer_of((name,)), "is not a field of the file") for name in unknown
    ]
    entries = found["keys"]
    if not isinstance(entries, list):
        reader.problems.append(Problem("#/keys", "must be a list"))
        entries = []
    return Document(entries, reader.problems, reader.lines)


def one_by_one(reader: Reader) -> Document:
    """JSON lines; entry 3 is called ``keys[3]`` in reports here too."""
    reader.lines.starts.clear()
    reader.problems.clear()
    entries: list[Any] = []
    at = reader.space(0)
    while at < len(reader.text):
        value, at = reader.value(at, ("keys", len(entries)))
        if not isinstance(value, dict):
            raise Unreadable(reader.lines.starts["keys", len(entries)], NO_KEYS)
        entries.append(value)
        at = reader.space(at)
    return Document(entries, reader.problems, reader.lines)


NO_KEYS: Final = 'the file must be {"keys": […]} or one JSON object a line'


def unread(detail: str) -> Document:
    return Document([], [Problem("#", detail)], Lines(""))


def column(text: str, at: int) -> int:
    return at - (text.rfind("\n", 0, at) + 1) + 1


def pointer_of(path: Path) -> str:
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
    return "/".join(("#", *steps))


def path_of(pointer: str) -> Path:
    """Indexes as numbers: a field whose name is digits is none of ours."""
    steps = (step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])
    return tuple(int(step) if INDEX.fullmatch(step) else step for step in steps)
