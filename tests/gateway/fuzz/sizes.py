"""Fuzz target: one chunk-size line, cut anywhere, as RFC 9112 §7.1.1 has it character by character.

The first byte's lowest bit: a chunk came before it, whose line end belongs to it.
"""

from proxy.gateway.chunked import ChunkedDecoder
from proxy.gateway.head import MAX_LENGTH, BadMessage
from tests.gateway.fuzz import attacks

TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789" + bytes((*range(0x41, 0x5B), *range(0x61, 0x7B))))
TEXT = frozenset((0x09, *range(0x20, 0x7F), *range(0x80, 0x100)))
DIGITS = frozenset(b"0123456789abcdefABCDEF")
END = b"\r\n"
BEFORE = b"1\r\nx"
MAX_LINE = 1024  # bytes with their line end
MOST = 40  # bytes that are cut everywhere
REFUSED, WAITS = -1, -2
RESTS = (END, END[1:], b"0\r\n", b"a\r\n", b'"\r\n', b'a"\r\n', b"=a\r\n", b"\r\n0\r\n", b"\n0\r\n")

SEEDS = [
    *(b"\x00" + size + END for size in attacks.SIZES if len(size) < 100),
    *(b"\x01\r\n" + size + END for size in attacks.SIZES[::3] if len(size) < 100),
    b'\x00a;b;c=d;e="f\\"\\\xff;"\r\n',
    b"\x01\r\n20000000000000;" + b"x" * 1007 + END,
    b"\x0020000000000000;" + b"x" * 1008 + END,
    b"\x010000000000000000;a\r\n",
    b'\x005;a="\\\x01"\r\n',
    b"\x01\n5\r\n",
    b"\x01\r\n\r\n",
    b"\x010\r\n",
]
TOKENS = [b";a=b", b';a="', b'\\"', b'"', b"=", b";", END, b"\r", b"f" * 16, b"0" * 16, b" "]


def check(data: bytes) -> None:
    is_next, line = bool(data[:1] and data[0] & 1), data[1:]
    end = line.find(END, 2 * is_next) + 2
    line = line[:end] if end >= 2 else line
    meant = reading(line, is_next=is_next)
    said = decoded([line], is_next=is_next)
    if end >= 2:
        assert said == meant
    elif said == REFUSED:  # what is not whole is refused soon, and not too soon
        for whole in (line + rest for rest in RESTS):
            assert reading(whole, is_next=is_next) == REFUSED or not whole.endswith(END), whole
    marks = range(1, len(line))
    cuts = list(marks) if len(line) <= MOST else [1, 2, 3, MAX_LINE, MAX_LINE + 2, len(line) - 1]
    for cut in cuts:
        assert decoded([line[:cut], line[cut:]], is_next=is_next) == said, cut
    if len(line) <= MOST:
        assert decoded([line[at : at + 1] for at in range(len(line))], is_next=is_next) == said
    if is_next:
        assert decoded([BEFORE + line], is_next=False) == said


def decoded(parts: list[bytes], *, is_next: bool) -> int:
    """The chunk's size, or what became of the line."""
    decoder = ChunkedDecoder()
    if is_next:
        decoder.feed(BEFORE)
    try:
        for part in parts:
            assert decoder.feed(part) == len(part)
            assert len(decoder.tail) < MAX_LINE + 2
    except BadMessage as error:
        if error.code != "bad_request":
            raise
        return REFUSED
    assert b"".join(decoder.pieces) in {b"", BEFORE[-1:]}
    assert not decoder.done
    return decoder.remaining if decoder.remaining or decoder.in_trailers else WAITS


def reading(line: bytes, *, is_next: bool) -> int:
    most = MAX_LINE
    if is_next:
        if line[:2] != END:
            return WAITS if END.startswith(line) else REFUSED
        line = line[2:]
    digits = len(line) - len(line.lstrip(bytes(DIGITS)))
    size = int(line[:digits] or b"0", 16)
    if len(line) > most or digits > 16 or (line and not digits):
        return REFUSED
    if not line.endswith(END):
        return REFUSED if len(line) >= most else WAITS
    stands = digits and size <= MAX_LENGTH and are_extensions(line[digits:-2])
    return size if stands else REFUSED


def are_extensions(text: bytes) -> bool:
    """*( ";" name [ "=" ( token / quoted-string ) ] ), without the blanks of old."""
    while text:
        name = token(text[1:])
        if text[:1] != b";" or not name:
            return False
        text = text[1 + len(name) :]
        if text[:1] == b"=":
            value = quoted(text[1:]) if text[1:2] == b'"' else token(text[1:])
            if not value:
                return False
            text = text[1 + len(value) :]
    return True


def token(text: bytes) -> bytes:
    return text[: next((at for at, byte in enumerate(text) if byte not in TOKEN), len(text))]


def quoted(text: bytes) -> bytes:
    """With its marks; b"" when it does not end."""
    at = 1
    while at < len(text) and text[at] in TEXT:
        if text[at] == 0x22:
            return text[: at + 1]
        if text[at] == 0x5C:
            at += 1
            if at < len(text) and text[at] not in TEXT:
                break
        at += 1
    return b""
