"""What the gateway answers by itself: /healthz, /readyz, /metrics."""

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from apikeys.figures import SQL, render
from apikeys.gate.replies import UNAVAILABLE
from proxy.gateway.answers import INSTANCE, Answer, lines_of, plain, refusal

if TYPE_CHECKING:
    from proxy.gateway.exchange import Exchange

EXPOSITION: Final = "text/plain; version=0.0.4; charset=utf-8"
METRICS_LINES: Final = lines_of(200, [("Content-Type", EXPOSITION), ("Cache-Control", "no-store")])


async def guarded(exchange: "Exchange", work: Coroutine[Any, Any, None]) -> None:
    """A defect in one request's task ends that request and is said once."""
    try:
        await work
    except Exception as error:  # noqa: BLE001 - the outermost frame of a request
        exchange.broke(error)


def health(exchange: "Exchange") -> None:
    """This process answers; nothing is said of any other."""
    instance = exchange.core.settings.nonce
    exchange.answer(plain("ok\n", instance))


async def readiness(exchange: "Exchange") -> None:
    code, detail = await exchange.core.readiness.reason()
    instance = exchange.core.settings.nonce
    if exchange.over:
        return
    if not code:
        exchange.answer(plain("ready\n", instance))
        return
    answer = refusal(code, exchange.id, detail)
    if instance:
        answer.lines += f"{INSTANCE}: {instance}\r\n".encode()
    exchange.answer(answer)


async def figures(exchange: "Exchange") -> None:
    """The sum of all processes, and the database's figures while it answers."""
    body = exchange.core.metrics.render() + await database_figures(exchange)
    if exchange.over:
        return
    exchange.answer(Answer(200, METRICS_LINES, body))


async def database_figures(exchange: "Exchange") -> bytes:
    try:
        async with exchange.core.door.pool.connection() as connection:
            cursor = await connection.execute(SQL)
            rows = await cursor.fetchall()
    except UNAVAILABLE:
        return b""
    return render((name, value, count) for name, value, count in rows)
