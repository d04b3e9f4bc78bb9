"""POST /api/v1/keys/verify, answered here by the gate: no Django, no second HTTP request."""

import json
from typing import TYPE_CHECKING, Final

from apikeys.gate.effects import DatabaseUnavailable
from apikeys.gate.question import MAX_BODY, BadQuestion, Question, read
from proxy.gateway.answers import CONTINUE, Answer
from proxy.gateway.own import guarded

if TYPE_CHECKING:
    from proxy.gateway.exchange import Exchange

OPERATION: Final = "api/v1/keys/verify"
SECONDS: Final = 8.0  # as admission.GATE_SECONDS
HEADERS: Final = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]


def begin(exchange: "Exchange") -> None:
    """The caller may ask: its body is read, at most MAX_BODY bytes of it."""
    head = exchange.head
    exchange.operation = OPERATION
    if head.method != b"POST":
        exchange.fail("method_not_allowed", allow="POST")
    elif (head.content_length or 0) > MAX_BODY:
        exchange.fail("body_too_large")
    else:
        exchange.max_body = MAX_BODY
        exchange.held = bytearray()
        if not head.has_body:
            exchange.request_end([])
            return
        if head.expect_continue:
            exchange.client.write(CONTINUE)
        exchange.client.start_body()


def body_came(exchange: "Exchange", body: bytes) -> None:
    types = [value for name, value in exchange.head.headers if name == b"content-type"]
    try:
        question = read(b",".join(types).decode("latin-1"), body)
    except BadQuestion as error:
        exchange.fail(error.code, error.detail or None, **error.extra)
        return
    exchange.core.spawn(guarded(exchange, answer(exchange, question)))


async def answer(exchange: "Exchange", question: Question) -> None:
    door = exchange.core.door
    try:
        found = await door.within(SECONDS, door.inspect(question))
    except DatabaseUnavailable:
        found = None
    if exchange.over:  # the client left: nobody learns the answer, so nobody pays for it
        if found is not None:
            await door.give_back(found.charges)
        return
    if found is None:
        exchange.fail("database_unavailable")
        return
    body = json.dumps(found.document, ensure_ascii=False, separators=(",", ":")).encode()
    exchange.answer(Answer(200, HEADERS, body))
