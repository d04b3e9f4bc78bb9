"""What a call to an LLM asks for: its model, how many tokens at most, and whether as a stream."""

import json

import pytest

from proxy.usage.asked import Asked, is_told, is_wordless, may_stream, read, telling, tokens_of


def asked(**given: object) -> Asked | None:
    return read(json.dumps(given).encode())


def test_a_call_says_what_it_may_use():
    found = asked(model="gpt-5", messages=[], max_tokens=70, stream=True, n=3)

    assert found == Asked("gpt-5", 70, 3, streams=True)
    assert found.written(4096) == 210
    assert Asked().written(4096) == 4096


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "max_output_tokens"])
def test_every_name_of_a_maximum(name):
    assert asked(**{name: 5}) == Asked(most=5)
    assert asked(**{name: 5, "max_tokens": 9}) == Asked(most=9)


@pytest.mark.parametrize("value", [True, "x", "", -1, "-1", None, [5], {"a": 1}])
def test_what_is_no_count_says_nothing(value):
    assert asked(max_tokens=value, n=value, best_of=value) == Asked()


@pytest.mark.parametrize(
    ("value", "most"),
    [(5.0, 5), ("5", 5), (" 5.0 ", 5), (4.2, 5), ("5e0", 5), (0.0, 0), (10**13, 10**12),
     (10**400, 10**12), ("9" * 30, 10**12), (1e300, 10**12)],
)  # fmt: skip
def test_what_a_lax_server_takes_for_a_count_is_one(value, most):
    assert asked(max_tokens=value) == Asked(most=most)
    assert asked(n=value).answers == max(1, most)


@pytest.mark.parametrize("value", ["NaN", "nan", "1" * 33, "0x5", "5x"])
def test_what_nobody_takes_for_a_count_is_none(value):
    assert asked(max_tokens=value) == Asked()


@pytest.mark.parametrize(
    ("given", "answers"),
    [({"n": 0}, 1), ({"n": 2, "best_of": 5}, 5), ({"prompt": "one"}, 1), ({"prompt": []}, 1),
     ({"prompt": ["a", "b"]}, 2), ({"prompt": ["a", "b"], "n": 3}, 6), ({"prompt": [5, 6, 7]}, 1),
     ({"prompt": [[5], [6, 7]]}, 2), ({"n": 10**12, "prompt": ["a"] * 9}, 10**12)],
)  # fmt: skip
def test_each_answer_is_counted(given, answers):
    found = asked(**given)

    assert found is not None
    assert found.answers == answers
    assert found.written(10**12) <= 10**12


@pytest.mark.parametrize("value", [1, "true", None, [True], {}])
def test_only_true_is_true(value):
    assert asked(stream=value, stream_options={"include_usage": value}) == Asked()


def test_whether_a_stream_tells_what_it_used():
    assert asked(stream=True, stream_options={"include_usage": True}) == Asked(
        streams=True, tells=True
    )
    assert asked(stream=True, stream_options="include_usage") == Asked(streams=True)


@pytest.mark.parametrize("value", ["", "x" * 101, "a\nb", "\ud800", 5, None, ["gpt"], "\0"])
def test_what_is_no_name_names_no_model(value):
    assert asked(model=value) == Asked()


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"5", b'"x"', b"null", b'{"n":NaN}', b'{"n":Infinity}', b"\xff{}",
     b'{"max_tokens":1,"max_tokens":9}', b'{"messages":[{"a":1,"a":2}]}', b'{"n":1}x',
     b'{"max_tokens":1,"MAX_TOKENS":9}', b'{"Stream":true}', '{"n":1,"max_to\u212aens":9}'.encode(),
     '{"\u017ftream":true}'.encode(), b'{"model":"a","Model":"b"}', b'{"N":2}',
     b"[" * 100_000, b'{"n":' + b"9" * 5000 + b"}", "{}".encode("utf-16")],
)  # fmt: skip
def test_what_cannot_be_read_in_one_way_alone_is_not_read(body):
    assert read(body) is None


def test_a_body_of_very_many_parts_is_not_read():
    text = json.dumps({"n": 2, "messages": [{"content": "a, b: {c} " * 20_000}]})

    assert read(json.dumps({"n": 2, "input": [1] * 49_990}).encode()) == Asked(answers=2)
    assert read(json.dumps({"n": 2, "input": [1] * 50_000}).encode()) is None
    assert read(text.encode()) == Asked(answers=2)


def test_three_bytes_are_a_token():
    assert [tokens_of(size) for size in (0, 1, 3, 4, 3000)] == [0, 1, 1, 2, 1000]
    assert is_wordless(b"/v1/embeddings")
    assert not is_wordless(b"/v1/chat/completions")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"stream":true}', '{"stream_options":{"include_usage": true},"stream":true}'),
        (' {\n "stream": true }\n',
         ' {"stream_options":{"include_usage": true},\n "stream": true }\n'),
        ("{}", '{"stream_options":{"include_usage": true}}'),
        ("{ }", '{"stream_options":{"include_usage": true} }'),
        ('{"a":1.50,"stream_options":null,"é":"\\u00e9"}',
         '{"a":1.50,"stream_options":{"include_usage": true},"é":"\\u00e9"}'),
        ('{"stream_options" : {} }', '{"stream_options" : {"include_usage": true} }'),
        ('{"x":{"stream_options":5},"stream_options":{"a":1,"include_usage":false},"n":1e2}',
         '{"x":{"stream_options":5},"stream_options":{"a":1,"include_usage":true},"n":1e2}'),
        ('{"stream_options":{"x":0.10,"y":1e400}}',
         '{"stream_options":{"include_usage": true,"x":0.10,"y":1e400}}'),
        ('{"\\u0073tream_options":{}}', '{"\\u0073tream_options":{"include_usage": true}}'),
    ],
)  # fmt: skip
def test_a_stream_is_asked_to_tell_and_nothing_else_changes(body, expected):
    made = telling(body.encode())

    assert made == expected.encode()
    found = read(made)
    assert found is not None
    assert found.tells


@pytest.mark.parametrize("value", ['"x"', "5", "[]", "true"])
def test_options_that_are_none_stay_as_they_are(value):
    assert telling(b'{"stream":true,"stream_options":' + value.encode() + b"}") is None


def test_whether_a_body_may_ask_for_a_stream():
    assert not may_stream(b'{"model":"x","messages":[]}')
    assert may_stream(b'{"stream":false}')
    assert may_stream(b'{"\\u0073tream":true}')
    assert is_told(b"/v1/chat/completions")
    assert not is_told(b"/v1/responses")
