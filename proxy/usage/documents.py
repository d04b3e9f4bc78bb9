"""JSON that may be broken off, or of which only the end is left; every failure is "nothing"."""

import json
import re
from typing import Final

from proxy.usage.held import HEAD, TAIL, Held
from proxy.usage.reported import Json

DECODER: Final = json.JSONDecoder()
SPACE: Final = re.compile(r"[ \t\n\r]*+")
# A quote inside a string is escaped, so these are names (or whole strings) wherever they stand.
WANTED: Final = re.compile(r'"(?:usage|model)"[ \t\n\r]*+:')
MODEL: Final = re.compile(rb'"model"[ \t\n\r]*+:[ \t\n\r]*+"([^"\\\x00-\x1f]{1,400}+)"')
TRIES: Final = 8  # names in a tail that are tried; each try costs no more than the tail


def parse(raw: bytes | bytearray) -> Json:
    """An object; {} for anything else."""
    try:
        found = json.loads(text_of(raw))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def text_of(raw: bytes | bytearray) -> str:
    return raw.decode("utf-8", "replace").removeprefix("\ufeff")


def read(held: Held, depth: int = 1) -> Json:
    """``depth``: how deep in objects a name may stand when only the end is left."""
    data = held.data
    if held.is_cut:
        return ends(held.head, held.tail(), depth)
    if depth > 1 or len(data) <= TAIL:
        return parse(data) or members(text_of(data))
    # A megabyte of numbers takes 14 ms to parse, its end less than 1 ms; others wait meanwhile.
    found = ends(data[:HEAD], held.tail(), depth)
    if "usage" in found or b'"usage"' not in data:
        return found
    whole = parse(data) if data.rstrip().endswith(b"}") else {}
    return whole or members(text_of(data[:HEAD]))


def ends(head: bytes | bytearray, tail: bytes, depth: int) -> Json:
    return first_model(head) | last_members(text_of(tail), depth)


def members(text: str) -> Json:
    """The members of an object that broke off, as far as they came whole."""
    found: Json = {}
    at, opening = after(text, 0), "{"
    try:
        while text[at] == opening:
            opening = ","
            name, at = DECODER.raw_decode(text, after(text, at + 1))
            at = after(text, at)
            if not isinstance(name, str) or text[at] != ":":
                break
            value, at = DECODER.raw_decode(text, after(text, at + 1))
            at = after(text, at)
            if text[at] not in ",}":
                break
            found[name] = value
    except (ValueError, IndexError, RecursionError):
        return found
    return found


def after(text: str, at: int) -> int:
    """Where the white space ends; it matches everywhere."""
    found = SPACE.match(text, at)
    return found.end() if found else at


def last_members(tail: str, depth: int) -> Json:
    """Best effort: "usage" and "model", if they and all after them are the end of an object.

    From such a name on, an opening brace before it makes a document again: that tells a name of
    the outermost object (``depth`` 1), or of one inside it, from names further in.
    """
    found: Json = {}
    for match in [*WANTED.finditer(tail)][: -TRIES - 1 : -1]:
        found = ending(tail[match.start() :], depth) | found
    return {name: found[name] for name in ("usage", "model") if name in found}


def ending(text: str, depth: int) -> Json:
    try:
        found, at = DECODER.raw_decode("{" + text)
        rest = text[at - 1 :].strip(" \t\n\r")
        if rest and (depth == 1 or not isinstance(json.loads('{"":0' + rest), dict)):
            return {}
    except (ValueError, RecursionError):
        return {}
    return dict(found)


def first_model(head: bytes | bytearray) -> Json:
    found = MODEL.search(head)
    return {"model": found[1].decode("utf-8", "replace")} if found else {}
