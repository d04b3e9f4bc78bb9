"""Fuzz target: the body of POST /api/v1/keys/verify."""

import json

from apikeys.gate.question import MAX_BODY, BadQuestion, read

SEEDS = [
    b'{"key": "muser_x"}',
    b'{"key":"k","upstream":"echo","method":"POST","path":"/v1/x","ip":"192.0.2.1","cost":2}',
    b'{"key":"\\ud83d\\ude00","dry_run":true,"explain":false,"tokens":5,"cost_micro":1}',
    b'{"key":"k","key":"l"}',
    b'{"key":"k","cost":1e3,"path":"/%2e%2e/"}',
    b'[{"key":[NaN,{"a":null}]}]',
]
TOKENS = [
    b'"key":',
    b"\\u0000",
    b"\\ud800",
    b"[" * 500,
    b"9" * 50,
    b"1e999",
    b"-0",
    b"Infinity",
    b"{",
]


def check(data: bytes) -> None:
    try:
        question = read("application/json", data)
    except BadQuestion as error:
        json.dumps(error.extra).encode()
        return
    assert len(data) <= MAX_BODY
    assert isinstance(json.loads(data), dict)  # what we read, any reader of JSON reads
    assert 1 <= len(question.key) <= 1024
    assert question.path.startswith("/")
    assert question.path.isascii()
    assert 0 <= question.cost <= 1000
    assert question.hold is None or question.tokens is not None or question.cost_micro is not None
    assert not question.ip or "," not in question.ip
