"""Field lines of answers: an upstream sends the same ones again and again, so each is read once."""

import re
from typing import Final, NamedTuple

from proxy.gateway.head import SPECIAL, TOKEN, BadMessage
from proxy.gateway.names import OURS, REQUEST_ID, TO_CLIENT, is_plain

MALFORMED: Final = "The upstream's response head is malformed."
NAME: Final = re.compile(TOKEN)
VISIBLE: Final = bytes((0x09, *range(0x20, 0x7F), *range(0x80, 0x100)))
MAX_KEPT: Final = 2048  # of at most
MAX_LINE: Final = 256  # bytes each: half a MiB, a few times that with what is kept of them


class Line(NamedTuple):
    """``relayed``: the line as the client gets it, b"" if never; None: that depends on more than
    its name."""

    field: tuple[bytes, bytes]  # its name in lower case, its value without blanks around it
    relayed: bytes | None
    is_special: bool  # it may decide about framing


kept: dict[bytes, Line] = {}
names: dict[bytes, bytes] = {}  # as they come, and in lower case


def read_lines(lines: list[bytes]) -> list[Line]:
    """Each without its CRLF. Raises BadMessage."""
    known = kept.get
    return [known(line) or read_new(line) for line in lines]


def read_new(line: bytes) -> Line:
    raw, colon, value = line.partition(b":")
    name = names.get(raw) or name_of(raw)
    if not colon or value.translate(None, VISIBLE):
        raise BadMessage("upstream_failed", MALFORMED)
    value = value.strip(b" \t")
    made = Line((name, value), relayed(name, value), name in SPECIAL)
    # What depends on its value is another one in each answer, or somebody's.
    if made.relayed is not None and len(line) <= MAX_LINE:
        if len(kept) >= MAX_KEPT:
            kept.clear()
        kept[line] = made
    return made


def name_of(raw: bytes) -> bytes:
    if not NAME.fullmatch(raw):
        raise BadMessage("upstream_failed", MALFORMED)
    name = raw.lower()
    if len(raw) <= MAX_LINE:
        if len(names) >= MAX_KEPT:
            names.clear()
        names[raw] = name
    return name


def relayed(name: bytes, value: bytes) -> bytes | None:
    if is_plain(name):
        return b"%b: %b\r\n" % (name, value)
    is_ours = name in TO_CLIENT or name.startswith(OURS)
    return b"" if is_ours and name != REQUEST_ID else None
