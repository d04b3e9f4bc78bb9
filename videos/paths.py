"""Paths of videos as their owners write them: which are taken, and in which form. Pure."""

import unicodedata
from typing import Any, Final

from momentry.common.errors import MomentryError

LONGEST: Final = 1024  # characters, as videos.models.PATH_LENGTH
LONGEST_BYTES: Final = 2048  # in UTF-8: with a home before it, it must fit into one index row
LONGEST_NAME: Final = 255  # bytes in UTF-8: what file systems take for one name
POINTER: Final = "#/path"


def clean(text: Any) -> str:
    """The path from ``/``, otherwise as it was written: names that differ in their bytes are
    different files, so nothing is normalised. MomentryError invalid_input."""
    if not isinstance(text, str) or not text:
        raise refused("is empty")
    path = text if text.startswith("/") else f"/{text}"
    if len(path) > LONGEST:
        raise refused(f"has more than {LONGEST} characters")
    if any(unicodedata.category(char) == "Cc" for char in path):
        raise refused("has control characters")
    if "\\" in path:
        raise refused("has a backslash")
    for segment in path[1:].split("/"):
        if fault := fault_of(segment):
            raise refused(fault)
    if len(path.encode()) > LONGEST_BYTES:
        raise refused(f"has more than {LONGEST_BYTES} bytes")
    return path


def fault_of(segment: str) -> str:
    """What is wrong with one name; "" for nothing."""
    if not segment:
        return "has an empty segment, or a slash at its end"
    if segment in (".", ".."):
        return "has a segment . or .."
    try:
        size = len(segment.encode())
    except UnicodeEncodeError:
        return "is not text"
    return f"has a name of more than {LONGEST_NAME} bytes" if size > LONGEST_NAME else ""


def name_of(path: str) -> str:
    return path.rpartition("/")[2]


def refused(fault: str) -> MomentryError:
    return invalid(POINTER, f"The path {fault}.")


def invalid(pointer: str, detail: str) -> MomentryError:
    return MomentryError("invalid_input", errors=[{"detail": detail, "pointer": pointer}])
