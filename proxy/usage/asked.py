"""What a call to an LLM asks for, and what that may use at most: its JSON in, plain values out.

A body that cannot be read is nobody's fault here: it goes up as it is, and the upstream says so.
"""

import json
from math import ceil
from typing import Any, Final, NamedTuple

from proxy.usage.reported import MODEL_LENGTH, MOST

BYTES: Final = 3  # of text that are a token at least, roughly
ANSWER: Final = 4096  # tokens of an answer for which neither the call nor staff names a maximum
PARTS: Final = 50_000  # some 10 ms, in which others wait
DIGITS: Final = 32  # of a number that is written as a text
LIMITS: Final = ("max_tokens", "max_completion_tokens", "max_output_tokens")
TIMES: Final = ("n", "best_of")
OPTIONS: Final = "stream_options"
INCLUDE: Final = "include_usage"
TELL: Final = f'"{INCLUDE}": true'
TELL_OPTIONS: Final = f'"{OPTIONS}":{{{TELL}}}'
SPACE: Final = " \t\n\r"
TOLD: Final = (b"/chat/completions", b"/completions")  # where OpenAI's streams tell only if asked
MEANT: Final = frozenset((*LIMITS, *TIMES, OPTIONS, "model", "prompt", "stream"))
FREE: Final = (b"/moderations", b"/count_tokens")
WORDLESS: Final = (b"/embeddings", *FREE)


class Asked(NamedTuple):
    """``most``: tokens of one answer at most, None where it does not say; ``answers``: how many are
    made. ``streams``: as events; ``tells``: with a last one about what was used."""

    model: str = ""
    most: int | None = None
    answers: int = 1
    streams: bool = False
    tells: bool = False

    def written(self, most: int) -> int:
        """Tokens of all answers at most; ``most``: of one that names no maximum."""
        return min(MOST, self.answers * (most if self.most is None else self.most))


NOTHING: Final = Asked()


def read(body: bytes | bytearray) -> Asked | None:
    """None for what is no JSON object, could be read in two ways, or has very many parts: a
    megabyte of these takes 200 ms to read, one of text 1."""
    if len(body) > PARTS and sum(map(body.count, (b",", b"{", b"["))) > PARTS:
        return None
    document = parse(body)
    if document is None or not is_read_alike(document):
        return None
    limits = [value for name in LIMITS if (value := count(document.get(name))) is not None]
    times = max(1, *(count(document.get(name)) or 1 for name in TIMES))
    options = document.get(OPTIONS)
    return Asked(
        model_of(document),
        max(limits, default=None),
        min(MOST, times * prompts(document.get("prompt"))),
        document.get("stream") is True,
        isinstance(options, dict) and options.get(INCLUDE) is True,
    )


def may_stream(body: bytes | bytearray) -> bool:
    """False where it surely does not ask for events; the word may be written with escapes."""
    return b'"stream"' in body or b"\\u" in body


def telling(body: bytes | bytearray) -> bytes | None:
    """The same, asking for a last event about what was used; nothing else changes. Of one that
    ``read`` takes; None where what stands there of it is no object, or lies too deep."""
    text = body.decode()
    try:
        at, found = member(text, OPTIONS)
        if at < 0:
            return put(text, text.index("{"), TELL_OPTIONS)
        value, end = found
        if value is None:
            return f"{text[:at]}{{{TELL}}}{text[end:]}".encode()
        if not isinstance(value, dict):
            return None
        begin, found = member(text[at:end], INCLUDE)
    except RecursionError:  # a little deeper in the stack than it was read
        return None
    if begin < 0:
        return put(text, at, TELL)
    return f"{text[: at + begin]}true{text[at + found[1] :]}".encode()


def put(text: str, at: int, member: str) -> bytes:
    """As the first one of the object that begins there."""
    rest = text[at + 1 :]
    comma = "" if rest.lstrip(SPACE).startswith("}") else ","
    return f"{text[: at + 1]}{member}{comma}{rest}".encode()


def member(text: str, name: str) -> tuple[int, tuple[Any, int]]:
    """Where the value of this member of the outermost object begins, the value, and its end; -1
    when there is none."""
    at = text.index("{")
    while True:
        at = after(text, at + 1)
        if text[at] == "}":
            return -1, (None, -1)
        found, at = DECODER.raw_decode(text, at)
        at = after(text, after(text, at) + 1)
        value, end = DECODER.raw_decode(text, at)
        if found == name:
            return at, (value, end)
        at = after(text, end)
        if text[at] == "}":
            return -1, (None, -1)


def after(text: str, at: int) -> int:
    """Where the white space ends."""
    while text[at] in SPACE:
        at += 1
    return at


def parse(body: bytes | bytearray) -> dict[str, Any] | None:
    try:
        found = DECODER.decode(body.decode())
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a name given twice the upstream might believe the other value."""
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a name is given twice")
    return document


def refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


DECODER: Final = json.JSONDecoder(object_pairs_hook=once, parse_constant=refuse)


def count(value: object) -> int | None:
    """As the laxest server might read it: "5" and 5.0 are 5, and what is too much is the most."""
    if isinstance(value, str) and len(value) <= DIGITS:
        try:
            value = float(value)
        except ValueError:
            return None
    if type(value) not in (int, float) or not isinstance(value, int | float) or not value >= 0:
        return None
    return ceil(min(MOST, value))


def is_read_alike(document: dict[str, Any]) -> bool:
    """Some servers read names of any case (Go's do, and fold long s and the Kelvin sign too)."""
    return all(name in MEANT or name.casefold() not in MEANT for name in document)


def model_of(document: dict[str, Any]) -> str:
    value = document.get("model")
    if isinstance(value, str) and 0 < len(value) <= MODEL_LENGTH and value.isprintable():
        return value
    return ""


def prompts(value: object) -> int:
    """Of a list of texts each gets its answers."""
    if isinstance(value, list) and value and not isinstance(value[0], int):
        return len(value)
    return 1


def tokens_of(size: int) -> int:
    """So many bytes are about so many tokens."""
    return -(-size // BYTES)


def is_told(path: bytes) -> bool:
    """Does a stream from there tell what it used only if it is asked to?"""
    return path.endswith(TOLD)


def is_free(path: bytes) -> bool:
    """Does a call there use nothing, unless the upstream says that it did?"""
    return path.endswith(FREE)


def is_wordless(path: bytes) -> bool:
    """Does nothing but figures come back from there?"""
    return path.endswith(WORDLESS)
