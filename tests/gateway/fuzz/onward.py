"""Fuzz target: request heads as an upstream and Django get them, read by llhttp and h11."""

import re
from urllib.parse import unquote_to_bytes

from proxy.gateway import injection
from proxy.gateway.blocks import find_end
from proxy.gateway.clients import Client
from proxy.gateway.head import BadMessage, RequestHead, parse_request
from proxy.gateway.hygiene import Caller, Destination, to_django, to_upstream
from proxy.gateway.upgrade import nonce_of, switching
from tests.gateway.fuzz import oracles
from tests.gateway.fuzz.oracles import Message
from tests.gateway.fuzz.ours import CREDENTIALS, is_ours, is_passing, plain
from tests.gateway.fuzz.requests import CHUNKS, MOST_BODY, VALID
from tests.gateway.fuzz.requests import TOKENS as HEAD_TOKENS

CLIENT = Client("198.51.100.1", b"https", b"a.test")
CALLER = Caller(b"rid", CLIENT, b"user-1", b"key-1")
WAYS = [
    injection.NONE,
    injection.header("Authorization: Bearer {credential}", "sk-up"),
    injection.header("X-Goog-Key: {credential}", "sk-up"),
    injection.basic("u", "p"),
    injection.query_parameter("k", "s3 cret&"),
]
OUR_FIELDS = [
    (b"x-momentry-user-id", b"user-1"),
    (b"x-momentry-key-id", b"key-1"),
    (b"x-momentry-request-id", b"rid"),
    (b"x-forwarded-for", b"198.51.100.1"),
    (b"x-forwarded-proto", b"https"),
    (b"x-forwarded-host", b"a.test"),
]

SEEDS = [
    *VALID,
    (
        b"POST /p?k=mine&%6b=2;k=3&kk=4 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer muser_x\r\n"
        b"Cookie: a=1; momentry_session=x; b=2\r\nContent-Length: 0\r\n\r\n"
    ),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nX-API-Key: muser_x\r\nX-Momentry-User-Id: 1\r\n"
        b"API-Key: muser_x\r\nX-Momentry-Decision: v1\r\nX-Real-IP: 192.0.2.1\r\n"
        b"X-Forwarded-For: 1.1.1.1\r\nx_goog_key: e\r\nTE: trailers\r\n"
        b"Connection: x-momentry-key-id, X-Mine\r\n\r\n"
    ),
]
TOKENS = [
    *HEAD_TOKENS,
    b"Authorization: Basic eA==\r\n",
    b"api-key: k\r\n",
    b"X-Goog_Key: e\r\n",
    b"Cookie: momentry_csrf=1\r\n",
    b"X-Momentry-Decision: v1\r\n",
    b"X-Forwarded-Host: e\r\n",
    b"Connection: x-forwarded-for, authorization, x-goog-key, cookie\r\n",
    b"?k=1",
]


def check(data: bytes) -> None:
    try:
        end = find_end(buffer := bytearray(data))
        head = parse_request(bytes(buffer[:end])) if end >= 0 else None
    except BadMessage:
        return
    if head is None:
        return
    for way in WAYS:
        check_upstream(head, way)
    for judged, decision in ((b"", b""), (b"x-api-key", b"v1.a.b")):
        sent = to_django(head, CALLER, judged=judged, decision=decision)
        check_django(head, one_message(head, sent), judged, decision)


def one_message(head: RequestHead, sent: bytes) -> Message:
    """Both see exactly one request, which ends where the client's body does."""
    body = CHUNKS if head.chunked else b"x" * min(head.content_length or 0, MOST_BODY)
    theirs, found = oracles.requests(sent + body), oracles.first_request(sent + body)
    assert not theirs.refused
    assert found is not None
    (message,) = theirs.messages
    ends = head.chunked or (head.content_length or 0) <= MOST_BODY
    for each in (message, found[0]):
        assert each.complete == ends
        assert each.start == head.method
        assert each.headers == message.headers
    assert found[1] == b""
    names = [name for name, _ in message.headers]
    for name in (b"host", b"content-length", b"transfer-encoding", b"x-momentry-request-id"):
        assert names.count(name) <= 1
    return message


def check_upstream(head: RequestHead, way: injection.Injection) -> None:
    sent = to_upstream(head, b"/rest", Destination(b"up.test:81", b"/base", way), CALLER)
    message = one_message(head, sent)
    own = [(way.field, way.line.partition(b": ")[2][:-2])] if way.line else []
    added = [*own, *OUR_FIELDS]
    assert message.headers[0] == (b"host", b"up.test:81")
    for field in added:
        assert [each for each in message.headers if plain(each[0]) == field[0]] == [field]
    rest = [field for field in message.headers[1:] if field not in added]
    theirs = [field for field in rest if field[0] not in {b"content-length", b"transfer-encoding"}]
    assert not [name for name, _ in theirs if is_ours(name)]
    check_subsequence(theirs, head)
    assert message.target.startswith(b"/base/rest")
    check_query(head, message.target.partition(b"?"), way)
    if nonce_of(head):
        (upgraded,) = oracles.requests(switching(sent)).messages
        assert upgraded.values(b"upgrade") == [b"websocket"]
        assert upgraded.values(b"connection") == [b"Upgrade"]


def check_query(
    head: RequestHead, target: tuple[bytes, bytes, bytes], way: injection.Injection
) -> None:
    _, mark, query = target
    if not way.parameter:
        assert (query if mark else None) == head.query
        return
    pairs = [part.partition(b"=") for part in re.split(rb"[&;]", query)]
    named = [
        value for name, _, value in pairs if unquote_to_bytes(name.replace(b"+", b" ")) == b"k"
    ]
    assert named == [b"s3%20cret%26"]


def check_subsequence(sent: list[tuple[bytes, bytes]], head: RequestHead) -> None:
    """In the client's order, and unchanged but for cookies of ours."""
    source = iter(head.headers)
    for name, value in sent:
        assert name not in head.nominated
        for theirs in source:
            if theirs == (name, value):
                break
            if name == theirs[0] == b"cookie" and b"momentry_" in theirs[1]:
                break
        else:
            raise AssertionError((name, value))
        if name == b"cookie":
            assert not [part for part in value.split(b";") if part.strip().startswith(b"momentry_")]


def check_django(head: RequestHead, message: Message, judged: bytes, decision: bytes) -> None:
    assert message.target == head.target
    assert message.headers[0] == (b"host", head.host or b"localhost")
    names = [name for name, _ in message.headers]
    assert judged not in names
    assert message.values(b"x-momentry-decision") == ([decision] if decision else [])
    for name, value in OUR_FIELDS[2:]:
        assert message.values(name) == [value]
    own = {b"x-momentry-decision", b"content-length", b"transfer-encoding", b"host"}
    own |= {name for name, _ in OUR_FIELDS[2:]}
    assert not [name for name in names if not is_passing(name) and name not in own]
    kept = [name for name in names if name in CREDENTIALS]
    theirs = CREDENTIALS - {judged} - head.nominated
    assert kept == [name for name, _ in head.headers if name in theirs]
