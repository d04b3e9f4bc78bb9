"""Fuzz target: what an upstream reports of usage, whatever the pieces and the content coding.

The first byte chooses format, content type and content coding; the rest is the body as sent.
"""

from collections.abc import Iterable

from proxy.usage import documents
from proxy.usage.reader import UsageReader, open_reader
from proxy.usage.reported import FORMATS, MODEL_LENGTH, MOST, UNKNOWN, Account, Json, Usage
from tests.gateway.fuzz.requests import MOST_BY_ONE, SPLITS, pieces
from tests.gateway.unit.usage.codings import encoded
from tests.gateway.unit.usage.recorded import EVENTS, JSON, RECORDED

FORMS = ["openai", "anthropic"]
KINDS = [JSON, EVENTS]
CODINGS = [b"", b"", b"", b"gzip", b"deflate", b"br", b"zstd", b"br, gzip"]
SEEDS = [
    b'\x0adata: {"model":"m",\r\ndata: "usage":{\r\ndata:"prompt_tokens":5}}\r\n',
    *[
        bytes([FORMS.index(told.form) + 2 * KINDS.index(told.kind) + 4 * number])
        + encoded(told.body[-700:] if told.kind == EVENTS else told.body, coding)
        for told in RECORDED.values()
        for number, coding in enumerate(CODINGS)
        if number > 1
    ],
]
TOKENS = [
    b'"usage":{', b'"usage" : null', b'"model":"m"', b'"response":{', b'"message":{', b"data: ",
    b"\ndata:", b"\n\n", b"\r\r", b"data\n", b"\xef\xbb\xbf", b'"prompt_tokens":', b"1e400",
    b'"input_tokens":', b'"output_tokens":', b'"cache_read_input_tokens":', b"NaN", b"-0", b"true",
    b'"prompt_tokens_details":{', b"\\u0000", b"\\ud800", b"{", b"}", b"[", b"]", b",", b":", b'"',
    b"\\", b"\x1f\x8b\x08\0\0\0\0\0\0\x03", b"x\x9c", b"(\xb5/\xfd", b"\x03",
]  # fmt: skip


def check(data: bytes) -> None:
    choice, body = (data[0] if data else 0) % 32, data[1:]
    form, kind, coding = FORMS[choice & 1], KINDS[choice >> 1 & 1], CODINGS[choice >> 2]
    told = read(open_reader(form, kind, coding), [body])
    check_sane(told)
    for sizes in SPLITS:
        if sizes != (1,) or len(body) <= MOST_BY_ONE:
            assert read(open_reader(form, kind, coding), pieces(body, sizes)) == told
    check_asking(form, kind, coding, body)
    if not coding:
        check_meaning(form, kind, body, told)
        for other in (b"gzip", b"deflate", b"br", b"zstd"):
            assert read(open_reader(form, kind, other), [encoded(body, other)]) == told


def read(reader: UsageReader, parts: Iterable[bytes]) -> Usage:
    for part in parts:
        reader.feed(part)
    return reader.usage()


def check_sane(told: Usage) -> None:
    assert all(value is None or (type(value) is int and 0 <= value <= MOST) for value in told[1:])
    assert len(told.model) <= MODEL_LENGTH
    assert told.model.isprintable()


def check_asking(form: str, kind: bytes, coding: bytes, body: bytes) -> None:
    """In the middle it says what an answer that ended there says, and goes on as if not asked."""
    asked = open_reader(form, kind, coding)
    for end in range(0, len(body), max(len(body) // 7, 1)):
        asked.feed(body[end - max(len(body) // 7, 1) : end] if end else b"")
        assert asked.usage() == read(open_reader(form, kind, coding), [body[:end]])


def check_meaning(form: str, kind: bytes, body: bytes, told: Usage) -> None:
    if rb"\u" in body:  # "usage" may be written with escapes, which nobody does
        return
    account = Account(FORMATS[form])
    for document in stream(body) if kind == EVENTS else [read_document(body)]:
        account.add(document)
    known = account.usage()
    if kind == JSON:
        assert told == known
    assert told[1:] == known[1:]
    assert told != UNKNOWN or known == UNKNOWN


def read_document(raw: bytes) -> Json:
    return documents.parse(raw) or documents.members(documents.text_of(raw))


def stream(body: bytes) -> list[Json]:
    """The specification's algorithm over the whole, and what has no blank line yet."""
    text = body.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    made: list[Json] = []
    lines: list[bytes] = []
    for line in [*text.split(b"\n"), b""]:
        field, _, value = line.partition(b":")
        if not line:
            made.append(read_document(b"\n".join(lines)))
            lines = []
        elif field == b"data":
            lines.append(value.removeprefix(b" "))
    return made
