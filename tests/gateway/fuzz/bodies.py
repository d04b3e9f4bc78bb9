"""Fuzz target: the JSON of a call to an LLM, what is read of it, and the two ways it is altered:
asked to tell what its stream used, and another name for its model.

The first byte chooses the name; the rest is the body. What is read is what every reader reads,
whether it takes the first of two members, the last, or names of any case; and of what is altered
every byte outside one member is as it came.
"""

import json
import math
import re
from collections import Counter
from typing import Any

from proxy.gateway.models import renamed
from proxy.usage import asked
from proxy.usage.asked import OPTIONS, PARTS, Asked
from proxy.usage.reported import MODEL_LENGTH, MOST

NAMES = ["gpt-5", 'a"b\\c', "\x7f/\xe9\u2028", "m" * 200, "\U0001f600"]
MEANT = {
    "model", "prompt", "stream", "stream_options", "n", "best_of", "max_tokens",
    "max_completion_tokens", "max_output_tokens",
}  # fmt: skip
DEEP = 120  # frames below those of the one who reads it first
DEEPEST = 300  # in objects and lists; of more nobody knows where Python stops
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')
SEEDS = [
    b'\x00{"model":"gpt-4o","messages":[{"role":"user","content":"a, \\"b\\": {c}"}]}',
    b'\x01 {\r\n "stream" : true,\t"model" : "\\u0067pt" , "n": 2, "max_tokens": 1e2 }\n',
    b'\x02{"stream":true,"stream_options":{"include_usage":false,"x":1e400},"model":"m"}',
    b'\x03{"model":"m","stream":true,"stream_options":{"a":0.10,"b":{"include_usage":1}}}',
    b'\x00{"stream_options":null,"stream":true,"mod\\u0065l":"m","a":"\xc3\xa9\\ud83d\\ude00"}',
    b'\x00{"a":{"model":"x"},"b":["model",":","y"],"model":"z","c":"\\"model\\":\\"q\\""}',
    b'\x00{"model":"a","MODEL":"b"}',
    b'\x00{"model":"a","model":"b"}',
    '\x00{"max_tokens":1,"max_to\u212aens":9,"\u017ftream":true}'.encode(),
    b'\x00{"N":5,"model":"a"}',
    b'\x00\xef\xbb\xbf{"model":"a"}',
    b'\x00{"model":"a","n":NaN,"stream":true}',
    b'\x00{"model":"a","n":' + b"9" * 5000 + b"}",
    b'\x04{"model":"a","x":' + b"[" * 300 + b"]" * 300 + b"}",
    b'\x04{"stream":true,"stream_options":{"x":' + b'{"":' * 300 + b"1" + b"}" * 301 + b"}",
    '\x00{"model":"a"}'.encode("utf-16-le"),
    b'\x00{"max_tokens":true}',
    b'\x00{"max_tokens":8,"max_completion_tokens":9,"max_output_tokens":5,"n":true,"best_of":2.0,"stream":1}',
    b'\x00{"\\u0073tream":true,"stream_options":{ },"model":"a\\nb","prompt":[[5],[6]]}',
    b'\x00{"prompt":["a","b"],"best_of":3,"max_completion_tokens":7,"max_output_tokens":null}',
]
TOKENS = [
    b'"model":', b'"Model":', b'"mod\\u0065l":', b'"stream":true', b'"stream_options":', b"{}",
    b'{"include_usage":true}', b'"include_usage":', b'"\\u0069nclude_usage":', b"null", b"NaN",
    b"-Infinity", b"1e400", b"-0", b"0.1000000000000000000001", b"9" * 4301, b"[" * 400,
    b"]" * 400, b'{"a":' * 330, b"}" * 330, b"\\ud800", b"\\udc00", b"\\u0000", b'"max_tokens":1,',
    b'"MAX_TOKENS":', b'"n":', b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\xa2", b'\\"',
    b",", b"{", b"}", b":", b'"', b"\\", b'"":',
]  # fmt: skip


class Exact(str):
    """A number as it is written."""

    __slots__ = ()


def check(data: bytes) -> None:
    name, body = NAMES[(data[0] if data else 0) % len(NAMES)], data[1:]
    found = asked.read(body)
    if deepness(body) > DEEPEST:
        return
    strict = strictly(body)
    if found is None:
        assert strict is None or parts(body) > PARTS
        return
    assert strict is not None
    document, names = strict
    check_asked(found, document, names)
    assert asked.may_stream(body) or not found.streams
    if found.model:
        check_renamed(body, name, document)
    made = below(DEEP, asked.telling, body)
    if made is None:
        options = document.get(OPTIONS)
        assert options is not None
        assert not isinstance(options, dict)
    else:
        check_telling(body, made, document)
        if found.model:
            check_renamed(made, name, plainly(made))


def below(frames: int, call: Any, *arguments: Any) -> Any:
    """What is altered later is altered deeper in the stack than it was read."""
    return below(frames - 1, call, *arguments) if frames else call(*arguments)


def plainly(body: bytes) -> dict[str, Any]:
    """Numbers as they are written."""
    found: dict[str, Any] = json.loads(body.decode(), parse_int=Exact, parse_float=Exact)
    return found


def strictly(body: bytes) -> tuple[dict[str, Any], list[str]] | None:
    """The object, and its own names; None where two readers could disagree, or one would refuse."""
    seen: list[list[str]] = []

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in members]
        seen.append(names)
        if max(Counter(names).values(), default=1) > 1:
            raise ValueError("twice")
        return dict(members)

    def refuse(constant: str) -> Any:
        raise ValueError(constant)

    try:
        text = body.decode("utf-8")
        json.loads(text)  # the integers too long for it
        found = json.loads(
            text, object_pairs_hook=pairs, parse_constant=refuse, parse_int=Exact, parse_float=Exact
        )
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or any(map(is_odd, seen[-1])):
        return None
    return found, seen[-1]


def is_odd(name: str) -> bool:
    """One that means something to who reads names of any case alone."""
    return name not in MEANT and name.replace("\u017f", "s").replace("\u212a", "k").lower() in MEANT


def parts(body: bytes) -> int:
    return sum(byte in b",{[" for byte in body)


def deepness(body: bytes) -> int:
    """At most so deep."""
    return min(body.count(b"[") + body.count(b"{"), body.count(b"]") + body.count(b"}"))


def check_asked(found: Asked, document: dict[str, Any], names: list[str]) -> None:
    models = [name for name in names if name.lower() == "model"]
    if found.model:
        assert models == ["model"]
        assert document["model"] == found.model
        assert len(found.model) <= MODEL_LENGTH
        assert found.model.isprintable()
    limits = [whole(document.get(name)) for name in asked.LIMITS]
    known = [limit for limit in limits if limit is not None]
    assert found.most == (max(known) if known else None)
    times = max(1, *(whole(document.get(name)) or 1 for name in asked.TIMES))
    prompt = document.get("prompt")
    many = isinstance(prompt, list) and prompt and not is_whole(prompt[0])
    assert found.answers == min(MOST, times * (len(prompt) if many else 1))
    assert found.streams == (document.get("stream") is True)
    options = document.get(OPTIONS)
    assert found.tells == (isinstance(options, dict) and options.get("include_usage") is True)


def is_whole(value: Any) -> bool:
    """``true`` is one to Python."""
    digits = isinstance(value, Exact) and re.fullmatch("-?[0-9]+", value)
    return bool(digits) or isinstance(value, bool)


def whole(value: Any) -> int | None:
    """A count as the laxest server reads it: a number, or one within quotes."""
    if not isinstance(value, str) or (type(value) is str and len(value) > asked.DIGITS):
        return None
    try:
        number = int(value) if is_whole(value) else float(value)
    except ValueError:
        return None
    return math.ceil(min(MOST, number)) if number >= 0 else None


def check_renamed(body: bytes, name: str, document: dict[str, Any]) -> None:
    made = below(DEEP, renamed, body, name)
    assert plainly(made) == document | {"model": name}
    assert list(plainly(made)) == list(document)
    (place,) = [span for member, span in members(body.decode()) if member == "model"]
    assert json.loads(between(body, made, place)) == name


def check_telling(body: bytes, made: bytes, document: dict[str, Any]) -> None:
    told = asked.read(made)
    assert told is not None
    assert told.tells
    options = (document.get(OPTIONS) or {}) | {"include_usage": True}
    assert plainly(made) == document | {OPTIONS: options}
    assert [name for name in plainly(made) if name in document] == list(document)
    between(body, made, place_of_options(body.decode()))


def place_of_options(text: str) -> tuple[int, int]:
    """What may be another: one value, or nothing where a member is put."""
    found = dict(members(text))
    if OPTIONS not in found:
        return (text.index("{") + 1,) * 2
    begin, end = found[OPTIONS]
    if text[begin] != "{":
        return begin, end
    inside = dict(members(text[begin:end])).get("include_usage", (1, 1))
    return begin + inside[0], begin + inside[1]


def between(body: bytes, made: bytes, place: tuple[int, int]) -> str:
    """What stands there now; all around it is as it was."""
    text, new = body.decode(), made.decode()
    begin, rest = place[0], len(text) - place[1]
    assert new[:begin] == text[:begin]
    assert new[len(new) - rest :] == text[place[1] :]
    return new[begin : len(new) - rest]


def members(text: str) -> list[tuple[str, tuple[int, int]]]:
    """The names of an object, and where their values begin and end, token by token."""
    found, level, name, begin, end = [], 0, "", -1, 0
    for token in TOKEN.finditer(text):
        kind = token[0]
        level -= kind in "}]"
        if level == 1 and kind == ":":
            begin = token.end()
        elif (level == 1 and kind == ",") or (level == 0 and kind == "}" and begin >= 0):
            found.append((name, (text.index(text[begin:end].strip(" \t\r\n"), begin), end)))
            begin = -1
        elif level == 1 and begin < 0 and kind[0] == '"':
            name = json.loads(kind)
        end = token.end()
        level += kind in "{["
    return found
