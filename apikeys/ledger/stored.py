"""Units taken from the counters themselves, past every lease (asyncio): whoever has the charges may
give them back, through any process. Django always takes so: apikeys.services.gate.
"""

import asyncio
from time import monotonic
from zoneinfo import ZoneInfo

import psycopg_pool

from apikeys.gate.effects import Taken, TakeStored
from apikeys.ledger import sql
from apikeys.ledger.link import Connection
from apikeys.ledger.take import FIRST_PAUSE, LONGEST_PAUSE, RECALL_SECONDS, is_recalled, parameters
from apikeys.ledger.take import taken as taken_of

Pool = psycopg_pool.AsyncConnectionPool[Connection]


async def take_stored(pool: Pool, take: TakeStored, zone: ZoneInfo) -> Taken:
    """Units out on lease are called back, and waited for, before a refusal. Raises what psycopg
    does; units whose COMMIT was not heard of stay counted."""
    values = parameters(take, zone)
    end = monotonic() + RECALL_SECONDS
    pause = FIRST_PAUSE
    while True:
        async with pool.connection() as connection:
            cursor = await connection.execute(sql.TAKE, values)
            rows = await cursor.fetchall()
            is_waiting = is_recalled(rows) and monotonic() < end
            if not is_waiting and (taken := taken_of(take, rows, zone)) is not None:
                return taken
            if not is_waiting:
                await connection.execute(sql.OPEN, values)
                continue
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
