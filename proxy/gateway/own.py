"""What the gateway answers by itself: /healthz, /readyz, /metrics."""

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from apikeys.figures import COUNTED, LIVE, Kept, Row, render, valkey_rows
from apikeys.gate.replies import UNAVAILABLE
from apikeys.gate.shapes import is_number
from momentry.common.clock import clock
from proxy.gateway.answers import INSTANCE, Answer, lines_of, plain, refusal

if TYPE_CHECKING:
    from proxy.gateway.exchange import Exchange

EXPOSITION: Final = "text/plain; version=0.0.4; charset=utf-8"
METRICS_LINES: Final = lines_of(200, [("Content-Type", EXPOSITION), ("Cache-Control", "no-store")])
QUEUE: Final = "celery"

kept: Final = Kept()  # of this process
counting: Final = asyncio.Lock()


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
    """The sum of all processes, and what database and Valkey say while they answer."""
    body = exchange.core.metrics.render() + render(await rows_of(exchange))
    if exchange.over:
        return
    exchange.answer(Answer(200, METRICS_LINES, body))


async def rows_of(exchange: "Exchange") -> list[Row]:
    await count_anew(exchange)
    valkey = exchange.core.door.entrance.valkey
    info = await valkey.info("memory")
    waiting = None if info is None else await valkey.call("LLEN", QUEUE, fits=is_number)
    return [*kept.told(clock()), *await ask(exchange, LIVE), *valkey_rows(info, waiting)]


async def count_anew(exchange: "Exchange") -> None:
    """One at a time: several scrapes at once do not count several times."""
    async with counting:
        if kept.are_good(began := clock()):
            return
        if rows := await ask(exchange, COUNTED):
            kept.keep(rows, began, clock())
        else:
            kept.put_off(clock())


async def ask(exchange: "Exchange", statement: str) -> list[Row]:
    """Nothing while the database is away, or takes too long."""
    try:
        async with exchange.core.door.pool.connection() as connection:
            cursor = await connection.execute(statement)
            return [(name, label, value) for name, label, value in await cursor.fetchall()]
    except UNAVAILABLE:
        return []
