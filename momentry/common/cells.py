"""CSV (RFC 4180) that a spreadsheet shows and never computes. Pure.

A cell that begins like a formula gets an apostrophe in front (OWASP, "CSV injection"): = + - @,
their full-width forms, tab and carriage return, also after blanks and quotes. So does whatever
follows a semicolon, tab or line break inside a cell, where a program that separates cells by those
would begin one.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Final

DANGEROUS: Final = (
    "=+\\-@\u2212\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b"
    "\u207a\u207b\u207c\u208a\u208b\u208c\u2a75\u2a76"
)
# Blanks and quotes, and what stands for a character that is not seen: a program may drop them.
SKIPPED: Final = "\\s\"'\\x00-\\x1f\\x7f\uff02\uff07"
LEADING: Final = re.compile(rf"\A(?:[{SKIPPED}]*[{DANGEROUS}]|[\t\r\n])")
SEPARATOR: Final = re.compile(r"[;\t\r\n]")
INSIDE: Final = re.compile(rf"[;\t\r\n][{SKIPPED}]*(?=[{DANGEROUS}])")
UNSEEN: Final = frozenset(("Cc", "Cf", "Cn", "Co", "Me", "Mn", "Zl", "Zp", "Zs"))
FILLERS: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0\U0001d159")  # letters and signs by name


class Seen(dict[int, int]):
    """For str.translate: what is not seen becomes NUL. Remembers nothing: there is much of it."""

    def __missing__(self, code: int) -> int:
        char = chr(code)
        is_unseen = unicodedata.category(char) in UNSEEN or char in FILLERS
        return 0 if is_unseen and code > 0x7F else code


SEEN: Final = Seen()


def harmless(text: str) -> str:
    seen = text if text.isascii() else text.translate(SEEN)
    inside = text
    if SEPARATOR.search(text):
        ends = [0, *(found.end() for found in INSIDE.finditer(seen)), len(text)]
        inside = "'".join(text[start:end] for start, end in pairwise(ends))
    return f"'{inside}" if LEADING.match(seen) else inside


def cell(value: Any) -> str:
    """Quoted always; lists and objects as JSON, nothing for null."""
    if value is None:
        text = ""
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, (list, dict)):
        text = json.dumps(value, ensure_ascii=False)
    else:
        text = str(value)
    return '"' + harmless(text).replace('"', '""') + '"'


def line(values: Iterable[Any]) -> str:
    return ",".join(map(cell, values)) + "\r\n"


def lines(rows: Iterable[dict[str, Any]], names: Sequence[str]) -> str:
    return "".join(line(row[name] for name in names) for row in rows)
