"""What of an answer is counted, and what counts as not told."""

import json

import pytest

from proxy.usage.reported import UNKNOWN, Usage
from tests.gateway.unit.usage.recorded import (
    CLAUDE,
    EVENTS,
    JSON,
    RECORDED,
    Json,
    delta,
    events,
    read,
)


def openai(body: object) -> Usage:
    return read("openai", JSON, [json.dumps(body).encode()])


def anthropic(body: object) -> Usage:
    return read("anthropic", JSON, [json.dumps(body).encode()])


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_answers(name):
    recorded = RECORDED[name]

    assert read(recorded.form, recorded.kind, [recorded.body]) == recorded.usage


def test_nothing_told_is_not_zero():
    assert openai({"usage": {}}) == UNKNOWN
    assert openai({"usage": {"prompt_tokens": 0, "completion_tokens": 0}}) == Usage("", 0, 0)
    assert openai({"usage": {"prompt_tokens_details": {"cached_tokens": 0}}}).tokens_cached == 0


@pytest.mark.parametrize(
    "value", [-1, 10**12 + 1, 10**30, True, False, 1.0, 1e300, "5", None, [5], {"a": 5}]
)
def test_what_is_no_count_was_not_told(value):
    names = ["prompt_tokens", "completion_tokens"]
    details = {"prompt_tokens_details": {"cached_tokens": value}}

    assert openai({"usage": dict.fromkeys(names, value) | details}) == UNKNOWN
    assert anthropic({"usage": CLAUDE["usage"] | {"input_tokens": value}}).tokens_in is None
    assert openai({"usage": {"prompt_tokens": value, "completion_tokens": 5}}) == Usage("", None, 5)


def test_numbers_that_json_has_not():
    text = b'{"usage":{"prompt_tokens":NaN,"completion_tokens":-Infinity,"x":%b}}' % (b"9" * 5000)

    assert read("openai", JSON, [text]) == UNKNOWN
    assert read("openai", JSON, [b'{"usage":{"prompt_tokens":1000000000000}}']).tokens_in == 10**12


@pytest.mark.parametrize(
    "body",
    [
        None, 5, [], [{"usage": {"prompt_tokens": 5}}], {"usage": 5}, {"usage": [5]},
        {"usage": {"prompt": 5}}, {"data": {"usage": {"prompt_tokens": 5}}},
        {"usage": {"prompt_tokens_details": 5, "completion_tokens_details": [5]}},
        {"response": 5}, {"response": {"usage": "5"}}, {"message": {"usage": {"input_tokens": 5}}},
        {"error": {"message": "usage", "type": "server_error"}},
    ],
)  # fmt: skip
def test_unknown_shapes_are_ignored(body):
    assert openai(body) == UNKNOWN


@pytest.mark.parametrize(("form", "kind"), [
    ("none", JSON), ("", JSON), ("cohere", JSON), ("openai", b""), ("openai", b"text/html"),
    ("openai", b"audio/mpeg"), ("openai", b"application/jsonl"), ("openai", b"text/json+x"),
    ("openai", b"application/xjson"),
])  # fmt: skip
def test_unknown_kinds_are_ignored(form, kind):
    assert read(form, kind, [RECORDED["chat"].body]) == UNKNOWN


@pytest.mark.parametrize(
    "kind", [b"Application/JSON;charset=utf-8", b" application/json ", b"application/problem+json"]
)
def test_json_by_any_of_its_names(kind):
    assert read("openai", kind, [RECORDED["chat"].body]) == RECORDED["chat"].usage


@pytest.mark.parametrize(
    "model", [5, None, "", "x" * 101, "a\0b", "a\nb", "\ud800", ["gpt"], "gpt\u202e"]
)
def test_a_model_that_no_log_row_holds_is_unknown(model):
    assert openai({"model": model, "usage": {"prompt_tokens": 5}}) == Usage("", 5)


def test_a_byte_order_mark_and_bytes_that_are_no_text_hide_nothing():
    body = b'\xef\xbb\xbf {"a":"\xff","usage":{"prompt_tokens":5}}'

    assert read("openai", JSON, [body]) == Usage("", 5)


def test_models_in_any_writing():
    assert openai({"model": "modèle-7 🙂", "usage": {}}).model == "modèle-7 🙂"
    assert openai({"model": "x" * 100}).model == "x" * 100


def test_anthropic_input_is_the_sum_of_its_three_kinds():
    for told, total in [
        ({"input_tokens": 3}, 3),
        ({"input_tokens": 3, "cache_creation_input_tokens": 4}, 7),
        ({"input_tokens": 3, "cache_read_input_tokens": 5}, 8),
        ({"input_tokens": 0, "cache_creation_input_tokens": 4, "cache_read_input_tokens": 5}, 9),
        ({"input_tokens": 3, "cache_creation_input_tokens": None}, 3),
        ({"input_tokens": 10**12, "cache_read_input_tokens": 1}, None),
        ({"cache_creation_input_tokens": 4, "cache_read_input_tokens": 5}, None),
    ]:
        assert anthropic({"usage": told}).tokens_in == total


def test_anthropic_streams_are_cumulative():
    deltas = [delta(output_tokens=wrote) for wrote in (4, 9, 12)]

    assert read("anthropic", EVENTS, [events(deltas)]) == Usage("", None, 12)


def test_later_counts_replace_earlier_ones_and_nothing_else():
    def usage(**told: object) -> Json:
        return {"choices": [], "usage": told}

    first = usage(prompt_tokens=9, completion_tokens=1)
    later = usage(prompt_tokens=None, completion_tokens=0, total_tokens=9)

    assert read("openai", EVENTS, [events([first, later, "[DONE]"])]) == Usage("", 9, 0)


def test_what_a_word_of_the_text_says_is_no_usage():
    text = json.dumps({"choices": [{"delta": {"content": '"usage":{"prompt_tokens":5}'}}]})
    nested = {"choices": [{"delta": {"usage": {"prompt_tokens": 5}}}]}

    assert read("openai", EVENTS, [events([text, nested])]) == UNKNOWN
    assert read("openai", JSON, [text.encode()]) == UNKNOWN
