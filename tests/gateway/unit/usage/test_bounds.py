"""What may be much is bounded: documents, events, lines, and what codings make of little."""

import json
import random
import tracemalloc

import pytest

from proxy.usage import held
from proxy.usage.reader import open_reader
from proxy.usage.reported import UNKNOWN, Usage
from tests.gateway.unit.usage.codings import WRITERS, encoded
from tests.gateway.unit.usage.recorded import (
    CHAT,
    CHAT_USAGE,
    CLAUDE,
    CLAUDE_USAGE,
    EMBEDDINGS,
    EMBEDDINGS_USAGE,
    EVENTS,
    JSON,
    RESPONSE,
    RESPONSE_USAGE,
    Json,
    compact,
    events,
    read,
)

MiB = 1024 * 1024
LONG = "x" * (held.MOST + 5)
PIECE = 60_001


def pieces(body: bytes, size: int = PIECE) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


def body_of(size: int, usage: Json) -> bytes:
    empty = len(compact({"a": "", "usage": usage}))
    return compact({"a": "x" * (size - empty), "usage": usage}).encode()


@pytest.mark.parametrize("size", [held.MOST - 1, held.MOST, held.MOST + 1, 3 * held.MOST])
def test_the_size_of_a_document_does_not_matter(size):
    body = body_of(size, {"prompt_tokens": 5})

    assert len(body) == size
    assert read("openai", JSON, pieces(body)) == Usage("", 5)
    assert read("openai", JSON, [body]) == Usage("", 5)


@pytest.mark.parametrize(("size", "tokens"), [(held.MOST, 5), (held.MOST + 1, None)])
def test_usage_before_the_end_is_found_in_what_is_held_whole(size, tokens):
    start = '{"usage":{"prompt_tokens":5},"a":"'
    body = (start + "x" * (size - len(start) - 2) + '"}').encode()

    assert read("openai", JSON, pieces(body)).tokens_in == tokens
    assert read("openai", JSON, [body]).tokens_in == tokens
    assert read("openai", EVENTS, pieces(b"data: " + body)).tokens_in == tokens


def test_what_is_held_whole_is_read_exactly():
    long = "x" * 2 * held.TAIL
    inside = {"a": long, "usage": {"prompt_tokens": 5}, "b": long}
    other = {"usage": {"prompt_tokens": 5}, "b": long, "c": {"usage": {"prompt_tokens": 7}}}
    for body in (inside, other):
        assert read("openai", JSON, [compact(body).encode()]) == Usage("", 5)
        assert read("openai", EVENTS, [events([body])]) == Usage("", 5)
    assert read("openai", JSON, [compact(other).encode()[: held.TAIL + 99]]) == Usage("", 5)


@pytest.mark.parametrize(("form", "body", "usage"), [
    ("openai", CHAT | {"choices": [LONG]}, CHAT_USAGE),
    ("openai", EMBEDDINGS | {"data": [0.001] * 300_000}, EMBEDDINGS_USAGE),
    ("openai", RESPONSE | {"output": [LONG]}, RESPONSE_USAGE),
    ("anthropic", CLAUDE | {"content": [LONG]}, CLAUDE_USAGE),
])  # fmt: skip
def test_of_a_long_answer_the_end_is_read(form, body, usage):
    for text in (compact(body), json.dumps(body, indent=1) + "\n"):
        assert len(text) > held.MOST
        assert read(form, JSON, pieces(text.encode())) == usage


@pytest.mark.parametrize(
    "end",
    [
        {"a": {"usage": {"prompt_tokens": 5}}},
        {"a": [{"usage": {"prompt_tokens": 5}}]},
        {"a": '"usage":{"prompt_tokens":5}'},
        {"usage": {"prompt_tokens": 5}, "b": LONG},
        {"usage": 5},
    ],
)
def test_of_a_long_answer_only_its_own_usage_counts(end):
    assert read("openai", JSON, pieces(compact({"long": LONG} | end).encode())) == UNKNOWN


def test_of_a_long_answer_that_broke_off_the_model_is_known():
    body = compact(CHAT | {"choices": [LONG]}).encode()

    for cut in (body[:-1], body[: held.MOST + 9], body[: held.MOST - 9], body[: held.TAIL + 9]):
        assert read("openai", JSON, pieces(cut)) == Usage(CHAT_USAGE.model)
        assert read("openai", EVENTS, pieces(b"data: " + cut)) == Usage(CHAT_USAGE.model)


def test_a_long_event_is_read_at_its_end_too():
    done = {"type": "response.completed", "response": RESPONSE | {"output": [LONG]}}
    for event in (done, done | {"sequence_number": 9}):
        stream = events([{"type": "ping"}, event])
        assert read("openai", EVENTS, pieces(stream)) == RESPONSE_USAGE
        assert read("openai", EVENTS, pieces(stream[:-2])) == RESPONSE_USAGE
        assert read("openai", EVENTS, pieces(stream[:-4])).tokens_in is None


def test_of_a_long_answer_the_same_end_is_read_at_any_split():
    start = {"a": LONG, "usage": {"prompt_tokens": 5}}
    for size, tokens in ((held.TAIL - 40, 5), (held.TAIL, None), (held.TAIL * 3 // 2, None)):
        body = compact(start | {"b": "x" * size}).encode()
        for step in (997, PIECE, held.MOST, len(body)):
            assert read("openai", JSON, pieces(body, step)).tokens_in == tokens


def test_of_many_names_in_a_long_answer_the_last_are_looked_at():
    inner = [{"usage": {"prompt_tokens": 7}}] * 20
    last = {"model": "m", "usage": {"prompt_tokens": 5}}

    assert read("openai", JSON, [compact({"a": LONG, "b": inner} | last).encode()]) == Usage("m", 5)


def test_an_event_after_a_long_one_is_held_whole_again():
    later = {"usage": {"prompt_tokens": 5}, "b": "x" * 2 * held.TAIL}

    assert read("openai", EVENTS, pieces(events([{"a": LONG}, later]))) == Usage("", 5)


def test_events_after_a_long_one_count():
    stream = events([{"a": LONG}, LONG, {"usage": {"prompt_tokens": 5}}])
    comment = f": {LONG}\nevent: {LONG}\n".encode()

    assert read("openai", EVENTS, pieces(comment + stream + comment)) == Usage("", 5)


def memory(form: str, kind: bytes, piece: bytes, times: int, coding: bytes = b"") -> int:
    """The most bytes allocated while so many of a piece passed."""
    reader = open_reader(form, kind, coding)
    tracemalloc.start()
    try:
        for _ in range(times):
            reader.feed(piece)
        reader.usage()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("kind", "piece", "times"), [
    (JSON, b'{"a":' * 12_000, 200),
    (JSON, b"x" * 60_000, 200),
    (EVENTS, b"data: " + b"x" * 60_000, 200),
    (EVENTS, (b"data: " + b"x" * 600 + b"\n") * 100, 100),
    (EVENTS, b"data\n" * 12_000, 20),
    (EVENTS, b"x" * 60_000, 200),
    (EVENTS, b"\n\r" * 30_000, 20),
])  # fmt: skip
def test_an_answer_without_end_takes_little_memory(kind, piece, times):
    assert memory("openai", kind, piece, times) < 9 * MiB


@pytest.mark.parametrize("depth", [500, 5000, 200_000])
def test_deep_documents(depth):
    body = b'{"usage":{"prompt_tokens":5},"a":' + b"[" * depth + b"]" * depth + b"}"

    for kind, text in ((JSON, body), (EVENTS, b"data: " + body)):
        assert read("openai", kind, pieces(text)) in (Usage("", 5), UNKNOWN)
        assert read("openai", kind, pieces(text[:-9])) in (Usage("", 5), UNKNOWN)


@pytest.mark.parametrize("coding", WRITERS)
def test_a_bomb_is_not_followed(coding):
    bomb = encoded(b" " * (64 * MiB), coding)

    assert memory("openai", JSON, bomb, 1, coding) < 9 * MiB
    told = encoded(b" " * (64 * MiB) + b'{"usage":{"prompt_tokens":5}}', coding)
    assert read("openai", JSON, [told], coding) == UNKNOWN
    assert read("openai", JSON, pieces(told, 7), coding) == UNKNOWN


@pytest.mark.parametrize("inner", WRITERS)
def test_a_bomb_in_a_bomb_is_not_followed(inner):
    for outer in WRITERS:
        bomb = encoded(encoded(b" " * (32 * MiB), inner), outer)
        assert memory("openai", JSON, bomb, 3, inner + b"," + outer) < 9 * MiB


@pytest.mark.parametrize("coding", WRITERS)
def test_what_compresses_well_and_is_small_is_read(coding):
    body = b" " * (MiB - 100) + b'{"usage":{"prompt_tokens":5}}'

    assert read("openai", JSON, [encoded(body, coding)], coding) == Usage("", 5)


@pytest.mark.parametrize(("before", "behind"), [(0, 0), (20_000, 0), (0, 9000), (0, 50_000)])
@pytest.mark.parametrize("coding", [b"gzip", b"br", b"zstd"])
def test_the_verdict_on_a_bomb_is_the_same_for_any_split(coding, before, behind):
    """Under what the ratio allows at the end of a step, and over."""
    noise = random.Random(before).randbytes(before + behind).hex()
    verdicts = set()
    for size in (1, 2, 5, 13):
        text = noise[: 2 * before] + "x" * size * MiB + noise[2 * before :]
        body = encoded(events([text, {"usage": {"prompt_tokens": 5}}]), coding)
        usage = read("openai", EVENTS, [body], coding)
        verdicts.add(usage)
        for step in (1, 1000, 16_385):
            assert read("openai", EVENTS, pieces(body, step), coding) == usage
    assert verdicts == {Usage("", 5), UNKNOWN}
