"""Reads which key ids exist, beside all requests: at the start, after "all", when there is no room.

Until it is done an address that is locked out has one look-up a second, whatever it asks about.
"""

import asyncio
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import psycopg
import psycopg_pool

from apikeys.gate.ids import KeyIds
from apikeys.gate.replies import UNAVAILABLE

if TYPE_CHECKING:
    from proxy.gateway.core import Core

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
Pool = psycopg_pool.AsyncConnectionPool[Connection]

POLL_SECONDS: Final = 0.1
RETRY_SECONDS: Final = 1.0
PAGE: Final = 500  # ids, less than two milliseconds of the loop
COUNT_SQL: Final = "SELECT count(*) FROM apikeys_apikey"
PAGE_SQL: Final = f"""
SELECT id FROM apikeys_apikey WHERE id > %(last)s ORDER BY id LIMIT {PAGE}
"""  # noqa: S608  a constant


async def keep_ids(core: "Core", pool: Pool) -> None:
    ids = core.door.ids
    while True:
        await asyncio.sleep(POLL_SECONDS)
        if not ids.wanted:
            continue
        try:
            await read_ids(ids, pool)
        except UNAVAILABLE:
            await try_again(ids)
        except Exception as error:  # noqa: BLE001 - a defect must not end the reading
            core.report("the key ids cannot be read", error)
            await try_again(ids)


async def try_again(ids: KeyIds) -> None:
    await asyncio.sleep(RETRY_SECONDS)
    ids.wanted = True


async def read_ids(ids: KeyIds, pool: Pool) -> None:
    """Ids that come while it reads are told by the fence, and added on both sides."""
    async with pool.connection() as connection:
        cursor = await connection.execute(COUNT_SQL)
        counted = await cursor.fetchone()
        made = ids.begin(counted[0] if counted else 0)
        last = UUID(int=0)
        while made is ids.loading:
            cursor = await connection.execute(PAGE_SQL, {"last": last})
            page = await cursor.fetchall()
            for row in page:
                made.add(row[0])
            if len(page) < PAGE:
                break
            last = page[-1][0]
    ids.end(made)
