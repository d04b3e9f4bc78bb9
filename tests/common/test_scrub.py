"""The scrubber on text alone: shapes, what stays readable, any surroundings, hostile length."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from momentry.common import scrub

KEY = "muser_" + "0190c0ffee" * 3 + "ab_t1x2y3_" + "Z9" * 21 + "q_abCD12efGH34"
SHAPES: list[tuple[str, str | None]] = [
    (f"key {KEY}!", "key muser_0190…****!"),
    (f"x_{KEY}", "x_muser_0190…****"),
    ("GET /claim/AbC-12_3?x=1", "GET /claim/[hidden]?x=1"),
    ("GET /unsubscribe/AbC-12_3=?x=1", "GET /unsubscribe/[hidden]?x=1"),
    ("redis://:hunter2@host:6379/0", "redis://[hidden]@host:6379/0"),
    ("postgresql://a:b@c@host/db", "postgresql://[hidden]@host/db"),
    ("Authorization: Basic dXNlcjpwYXNz", "Authorization: [hidden]"),
    ("sent Bearer abcdefgh12 twice", "sent Bearer [hidden] twice"),
    ("whsec_MfKQ9r8GKYqrTwjU", "whsec_[hidden]"),
    ("sk-ant-api03-abcdefgh", "sk-[hidden]"),
    ('{"password": "a\\"b, c", "user": "bob"}', '{"password": "[hidden]", "user": "bob"}'),
    ("client_secret=a%2Fb&state=5", "client_secret=[hidden]&state=5"),
    ("/me?api_key=abc HTTP/1.1", "/me?api_key=[hidden] HTTP/1.1"),
    ("password=[abc", "password=[hidden]"),
    ("risk-averse tasks, 12 tokens in 3 s", "risk-averse tasks, 12 tokens in 3 s"),
    ("http://host/path@x and a@b.example", "http://host/path@x and a@b.example"),
    ("max_tokens 100, key_id 4, the API key is not valid", None),
]


@pytest.mark.parametrize(("text", "shown"), SHAPES, ids=range(len(SHAPES)))
def test_shapes(text: str, shown: str | None) -> None:
    assert scrub.scrub(text) == (text if shown is None else shown)
    assert scrub.scrub(scrub.scrub(text)) == scrub.scrub(text)


@settings(max_examples=200)
@given(
    before=st.text(max_size=30),
    after=st.text(max_size=30),
    secret=st.sampled_from([KEY, KEY.replace("muser", "madm"), KEY.upper()]),
)
def test_a_key_between_any_text_is_hidden(before: str, after: str, secret: str) -> None:
    assert secret[10:] not in scrub.line(before + secret + after)


@given(text=st.text())
def test_any_text_becomes_one_printable_line(text: str) -> None:
    assert len(scrub.line(text).splitlines()) <= 1
    assert json.loads(json.dumps(scrub.clean({text: [text, text.encode("utf-8", "replace")]})))


def test_scrubbing_is_linear_in_hostile_text() -> None:
    for piece in (
        "password",
        "://",
        'password="',
        "eyJ",
        "sk-",
        "basic ",
        "a" * 9,
        "secret = ",
        "\\",
    ):
        text = piece * (65_536 // len(piece))
        started = time.thread_time()
        scrub.scrub(text)
        assert time.thread_time() - started < 2, piece
