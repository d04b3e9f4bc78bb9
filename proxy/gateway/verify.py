"""POST /api/v1/keys/verify, answered here by the gate: no Django, no second HTTP request."""

from functools import partial
from typing import TYPE_CHECKING, Final

from apikeys.gate.door import Paused
from apikeys.gate.effects import DatabaseUnavailable, Overloaded
from apikeys.gate.inspection import Inspected
from apikeys.gate.question import MAX_BODY, BadQuestion, Question, read
from proxy.gateway.answers import CONTINUE, Answer, lines_of
from proxy.gateway.own import guarded

if TYPE_CHECKING:
    from proxy.gateway.exchange import Exchange

OPERATION: Final = "api/v1/keys/verify"
SECONDS: Final = 8.0  # as admission.GATE_SECONDS
LINES: Final = lines_of(200, [("Content-Type", "application/json"), ("Cache-Control", "no-store")])


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
        if head.expect_continue:
            exchange.client.write(CONTINUE)
        take_body(exchange)


def take_body(exchange: "Exchange") -> None:
    """At once when it is here; else piece by piece."""
    body = exchange.client.take_body() if exchange.head.has_body else b""
    exchange.held = bytearray(body or b"")
    if body is None:
        exchange.client.start_body()
    else:
        exchange.bytes_in = len(body)
        exchange.request_end([])


def body_came(exchange: "Exchange", body: bytes) -> None:
    types = [value for name, value in exchange.head.headers if name == b"content-type"]
    try:
        question = read(b",".join(types).decode("latin-1"), body)
    except BadQuestion as error:
        exchange.fail(error.code, error.detail or None, **error.extra)
        return
    if question.upstream and not is_metered(exchange, question.upstream):
        question = question._replace(is_metered=False)
    try:
        found = exchange.core.door.inspect_now(question)
    except DatabaseUnavailable:
        exchange.fail("database_unavailable")
        return
    if isinstance(found, Inspected):
        say(exchange, question, found)
    else:
        exchange.core.spawn(guarded(exchange, wait(exchange, question, found)))


def is_metered(exchange: "Exchange", slug: str) -> bool:
    upstream = exchange.core.table.get(slug.encode())
    return upstream is not None and bool(upstream.form)


async def wait(
    exchange: "Exchange", question: Question, paused: "Paused[Inspected] | None"
) -> None:
    """For what this process does not remember."""
    door, code = exchange.core.door, "database_unavailable"
    try:
        found = await door.within(SECONDS, door.inspect(question, paused))
    except DatabaseUnavailable:
        found = None
    except Overloaded:
        found, code = None, "overloaded"
    if exchange.over:  # the client left: nobody learns the answer, so nobody pays for it
        if found is not None:
            await door.undo(found)
    elif found is None:
        exchange.fail(code)
    else:
        say(exchange, question, found)


def say(exchange: "Exchange", question: Question, found: Inspected) -> None:
    """At once; that a secret opens nothing, where a proof may be slow, as such a request's refusal
    leaves: who asks may pass on to its own client how long it took."""
    prover = exchange.core.door.prover
    if found.verdict.code == "invalid_key" and prover.is_slow():
        leaves_at = exchange.started + prover.refusal_seconds()
        exchange.core.pace.at(leaves_at, partial(answer, exchange, question, found))
    else:
        answer(exchange, question, found)


def answer(exchange: "Exchange", question: Question, found: Inspected) -> None:
    if exchange.over:  # the client left, or its time was up
        return
    key_id = found.verdict.key_id
    if found.ok and key_id is not None and not question.dry_run:
        exchange.core.log.used(key_id, exchange.at)
    if question.hold is not None and (verdict := exchange.verdict) and verdict.key_id is not None:
        found = found.sealed(f"key:{verdict.key_id.hex}", exchange.core.hold_key)
    exchange.answer(Answer(200, LINES, found.body))
