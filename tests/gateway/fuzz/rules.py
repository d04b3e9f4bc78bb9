"""Fuzz target: header rules, and what they make of a request's head and of an answer's.

Before an empty line stands a rule per line (side, action, name, value, parted by bars), or JSON for
all of them; then the head. A second reading obeys the rules one by one, on what leaves without
them; what the gateway writes itself is the same with and without.
"""

import json
from contextlib import suppress
from typing import Any

from proxy.gateway import injection
from proxy.gateway.clients import Client
from proxy.gateway.destinations import Destination
from proxy.gateway.head import MAX_HEAD, BadMessage, Fields, parse_request
from proxy.gateway.headerrules import REQUEST, RESPONSE, check_rules, rewriting
from proxy.gateway.hygiene import Caller, interim_to_client, to_client, to_upstream
from proxy.gateway.response import parse_response
from tests.gateway.fuzz import oracles
from tests.gateway.fuzz.ours import BETWEEN_HOPS, CREDENTIALS, is_passing, plain

CALLER = Caller(b"rid", Client("198.51.100.1", b"https", b"a.test"), b"user-1", b"key-1")
OWN = "X-Up-Key"
WAY = injection.header("X-Up-Key: {credential}", "sk-up")
OURS = [b"host", b"x-up-key", b"x-request-id", b"content-length", b"transfer-encoding"]
REQUESTS = b"GET /a?b HTTP/1.1\r\nHost: a\r\nX-Tag: mine\r\nX_Tag: too\r\nCookie: a=1; momentry_x=2"
ANSWERS = (
    b"HTTP/1.1 200 OK\r\nServer: up\r\nX-Old: 1\r\nX_Old: 2\r\nSet-Cookie: a=b\r\nRateLimit: a"
)

SEEDS = [
    b"request|set|X-Tag|one\nrequest|add|x_tag|two\nrequest|remove|Cookie\n\n" + REQUESTS,
    b"request|add|X-A|1\nrequest|set|x-a|2\nrequest|add|X-A|3\nrequest|remove|X_a\n\n"
    + REQUESTS + b"\r\nConnection: x-a, x-tag\r\nContent-Length: 3",
    b"response|set|X-Old|n\nresponse|add|Server|b\nresponse|remove|set-cookie\n\n" + ANSWERS,
    b"response|add|X-New|1\nresponse|set|RateLimit|b\n\n" + ANSWERS + b"\r\nConnection: x-new",
    b"response|remove|Link\nresponse|set|Date|x\n\n"
    + ANSWERS.replace(b"200 OK", b"103 Hints") + b"\r\nLink: </a>\r\nConnection: x-old",
    b"request|set|Host|a\nrequest|set|x_momentry_id|1\nresponse|add|Set-Cookie|a\n\n" + REQUESTS,
    b"request|set|X-Up_Key|a\nresponse|set|Content_Length|1\nrequest|add|TE|trailers\n\n" + ANSWERS,
    b"request|set|X-A|a\rb\nrequest|set|X A|b\nresponse|add|X:|c\nresponse|add|A| b\n\n" + ANSWERS,
    b'[{"action":"set","on":"request","name":"X-A","value":"a"}]\n\n' + REQUESTS,
    b'[{"action":["set"],"on":{},"name":null,"value":NaN},5,null,[]]\n\n' + ANSWERS,
    b'{"action":"set"}\n\n' + ANSWERS,
    b"[5]\n\n" + REQUESTS,
    b"request|set|Sec-WebSocket-Key|a\nrequest|remove|sec_websocket_protocol\n\n" + REQUESTS,
]  # fmt: skip
TOKENS = [
    b"\nrequest|", b"\nresponse|", b"|set|", b"|add|", b"|remove|", b"set", b"X-Old", b"x_old",
    b"X-Tag|", b"Connection", b"Transfer-Encoding", b"content_length", b"Authorization", b"api_key",
    b"X-Forwarded-For", b"x-up-key", b"X-Momentry-A", b"Sec-WebSocket-Key", b"Set-Cookie|a=b",
    b"RateLimit-Policy|x", b"X-Request-ID: 5\r\n", b"Connection: x-new, x-old\r\n", b"\r\nX-New: 0",
    b"X-Up-Key: e\r\n", b"Content-Encoding", b" 103 ", b" 204 ", b'"name":', b"\\u0000",
]  # fmt: skip


def check(data: bytes) -> None:
    text, _, head = data.partition(b"\n\n")
    rules = accepted(text)
    for rule in rules:
        assert may_be_named(rule)
    block = head.rstrip(b"\r\n") + b"\r\n\r\n"
    if len(block) > MAX_HEAD:
        return
    check_request(block, rules)
    check_answer(block, rules)


def accepted(text: bytes) -> list[dict[str, str]]:
    with suppress(ValueError, RecursionError):
        whole = json.loads(text)
        check_rules(whole, OWN)
        return list(whole)
    rules: list[dict[str, Any]] = []
    for line in text.decode("latin-1").split("\n")[:40]:
        side, _, rest = line.partition("|")
        action, _, rest = rest.partition("|")
        name, bar, value = rest.partition("|")
        rule: dict[str, Any] = {"on": side, "action": action, "name": name}
        rule |= {"value": value} if bar else {}
        with suppress(ValueError):
            check_rules([*rules, rule], OWN)
            rules.append(rule)
    return rules


def may_be_named(rule: dict[str, str]) -> bool:
    name = plain(rule["name"].encode("ascii"))
    assert rule.get("value", "x").isprintable()
    assert ("value" in rule and rule["value"] is not None) == (rule["action"] != "remove")
    if name == b"set-cookie":
        return rule["action"] == "remove"
    ours = {b"x-request-id", b"content-encoding", *OURS} | CREDENTIALS | BETWEEN_HOPS
    return name not in ours and is_passing(name) and not name.startswith(b"sec-websocket-")


def obeyed(fields: Fields, rules: list[dict[str, str]], side: str, *, adds: bool = True) -> Fields:
    """One rule after another; names in lower case."""
    for rule in rules:
        if rule["on"] != side:
            continue
        name = plain(rule["name"].encode())
        if rule["action"] != "add":
            fields = [field for field in fields if plain(field[0]) != name]
        if rule["action"] != "remove" and adds:
            fields = [*fields, (rule["name"].lower().encode(), rule["value"].encode())]
    return fields


def check_request(block: bytes, rules: list[dict[str, str]]) -> None:
    try:
        head = parse_request(block)
    except BadMessage:
        return
    asked = rewriting(rules, REQUEST)
    usual = to_upstream(head, b"/r", Destination(b"up.test", b"/base", WAY), CALLER)
    sent = to_upstream(head, b"/r", Destination(b"up.test", b"/base", WAY, asked), CALLER)
    assert sent.partition(b"\r\n")[0] == usual.partition(b"\r\n")[0]
    without, ruled = read(usual), read(sent)
    assert by_name(ruled) == by_name(obeyed(without, rules, REQUEST))
    for field in without:
        if plain(field[0]) in OURS or not is_passing(field[0]):
            assert field in ruled
    if asked is not None:
        trailers = [(b"x-tag", b"1"), (b"x_old", b"2")]
        left = obeyed(trailers, rules, REQUEST, adds=False)
        assert asked.kept(trailers) == left


def read(sent: bytes) -> Fields:
    (message,) = oracles.requests(sent + b"0" * 9).messages[:1]
    return message.headers


def by_name(fields: Fields) -> dict[bytes, list[tuple[bytes, bytes]]]:
    """In their order as far as it means something."""
    made: dict[bytes, list[tuple[bytes, bytes]]] = {}
    for field in fields:
        made.setdefault(plain(field[0]), []).append(field)
    return made


def check_answer(block: bytes, rules: list[dict[str, str]]) -> None:
    try:
        without, answer = (parse_response(block, b"GET") for _ in range(2))
    except BadMessage:
        return
    answered = rewriting(rules, RESPONSE)
    if answered is not None:
        answered.rewrite(answer)
    if answer.interim:
        usual, sent = interim_to_client(without), interim_to_client(answer)
    else:
        usual, sent = (
            to_client(each, version=11, request_id=b"rid", foreign=True)
            for each in (without, answer)
        )
    assert sent.partition(b"\r\n")[0] == usual.partition(b"\r\n")[0]
    told = [message.headers for message in (oracles.answers(usual).messages)[:1]]
    found = [message.headers for message in (oracles.answers(sent).messages)[:1]]
    for first, second in zip(told, found, strict=True):
        expected = obeyed(first, rules, RESPONSE, adds=not answer.interim)
        assert by_name(second) == by_name(expected)
