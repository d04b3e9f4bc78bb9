"""Fuzz target: what a front asks at /auth/verify names one upstream, one method and one path that
everybody reads alike, or is refused; and Envoy's query and its client's fields decide nothing.

The input is fields and, below an empty line, what stands in the request line behind the method."""

import re

from proxy.gateway.fronts import Question, dialect_of, read
from proxy.gateway.head import METHODS, BadMessage, RequestHead, parse_request
from proxy.gateway.paths import Kind, classify
from tests.gateway.fuzz.paths import SLUG, is_settled, readings
from tests.gateway.fuzz.paths import TOKENS as PATHS

FIELDS = b"X-Forwarded-Method: GET\r\nX-Forwarded-Uri: /v1/chat?a=b"
BY_FIELDS = b"/auth/verify?dialect=nginx&upstream=llm"
SEEDS = [
    FIELDS + b"\n\n" + BY_FIELDS,
    b"X-Forwarded-Method: POST\r\nX-Forwarded-Uri: /a%2Fb%20c;v=1\n\n" + BY_FIELDS,
    b"X-Forwarded-Method: GET\r\nX-Forwarded-Uri: /a/%2e%2e/b\n\n" + BY_FIELDS,
    b"x-forwarded-uri: /b\r\n" + FIELDS + b"\n\n/auth/verify?upstream=llm&dialect=caddy",
    FIELDS + b"\n\n/auth/verify/envoy/llm/v1/chat?a=b",
    b"\n\n/auth/verify/envoy/llm/a%2F..%2Fb?dialect=nginx&upstream=other",
    b"\n\n/auth/%76erify/envoy/llm/a",
]
TOKENS = [
    *PATHS, b"\r\nX-Forwarded-Uri: ", b"\r\nX-Forwarded-Method: ", b"\r\nX_Forwarded_Uri: /a",
    b"&upstream=", b"&dialect=envoy", b"/auth/verify", b"/envoy/", b"?", b"#", b"\xc3\xa4", b"http://",
]  # fmt: skip
CODES = {
    "path_unknown", "path_refused", "bad_request", "upstream_unknown", "method_not_allowed",
    "not_implemented",
}  # fmt: skip


def check(data: bytes) -> None:
    fields, _, target = data.partition(b"\n\n")
    given = fields + b"\r\n" if fields else b""
    try:
        head = parse_request(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n" + given + b"\r\n")
        if classify(head).kind is not Kind.VERIFY:
            return
    except BadMessage:
        return
    dialect_of(head)
    distrusted(head)
    try:
        question = read(head, is_trusted=True)
    except BadMessage as error:
        if error.code not in CODES:
            raise
        return
    check_question(question, head)


def distrusted(head: RequestHead) -> None:
    try:
        read(head, is_trusted=False)
    except BadMessage:
        return
    raise AssertionError("believed")


def check_question(question: Question, head: RequestHead) -> None:
    slug, method, path = question
    assert SLUG.fullmatch(slug)
    assert method in METHODS
    assert path.startswith(b"/")
    for text in readings(path):
        for way in (text, text.replace(b"\\", b"/"), re.sub(rb";[^/]*", b"", text)):
            assert is_settled(way), way
    if head.path.rstrip(b"/").count(b"/") > 2:
        assert head.path.rstrip(b"/") == b"/auth/verify/envoy/" + slug + path.rstrip(b"/")
        return
    told = [value for name, value in head.headers if name == b"x-forwarded-uri"]
    assert [value.partition(b"?")[0] for value in told] == [path]
    assert [value for name, value in head.headers if name == b"x-forwarded-method"] == [method]
    assert head.query is not None
    assert sorted(head.query.split(b"&"))[1] == b"upstream=" + slug
