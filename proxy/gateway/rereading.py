"""IP rules, upstreams and prices of one process, read again when the database has others."""

import asyncio
from typing import TYPE_CHECKING, Any, Final

import psycopg
import psycopg_pool

from apikeys.gate.addresses import RULES_SQL, RULES_VERSION_SQL
from momentry.common.crypto.keyring import KeyRing
from proxy.gateway.core import logger
from proxy.gateway.upstreams import PRICES_SQL, ROWS_SQL, VERSION_SQL

if TYPE_CHECKING:
    from proxy.gateway.core import Core

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
Pool = psycopg_pool.AsyncConnectionPool[Connection]
PAGE: Final = 100  # rows that are made Python's own at a time


async def refresh(core: "Core", pool: Pool, ring: KeyRing) -> None:
    async with core.table.reading, pool.connection() as connection:
        await refresh_rules(core, connection)
        await core.door.prover.read_formats(connection)
        await refresh_upstreams(core, connection, ring)


async def reread(core: "Core", pool: Pool, ring: KeyRing) -> None:
    """Also when every connection is of a database that has gone."""
    try:
        await refresh(core, pool, ring)
    except psycopg_pool.PoolTimeout:
        raise
    except psycopg.Error:
        await pool.drain()
        await refresh(core, pool, ring)


async def refresh_rules(core: "Core", connection: Connection) -> None:
    rules = core.door.rules
    cursor = await connection.execute(RULES_VERSION_SQL)
    found = await cursor.fetchone()
    version = found[0] if found else ""
    if version != rules.version:
        cursor = await connection.execute(RULES_SQL)
        faults = rules.replace([(row[0], row[1]) for row in await cursor.fetchall()], version)
        core.door.changed()
        for fault in faults:
            logger.error(fault)


async def refresh_upstreams(core: "Core", connection: Connection, ring: KeyRing) -> None:
    """Requests go on meanwhile, whatever their number."""
    cursor = await connection.execute(VERSION_SQL)
    found = await cursor.fetchone()
    version = found[0] if found else ""
    if version == core.table.version:
        return
    cursor = await connection.execute(PRICES_SQL)
    prices = await cursor.fetchall()
    cursor = await connection.execute(ROWS_SQL)
    rows: list[tuple[Any, ...]] = []
    while page := await cursor.fetchmany(PAGE):
        rows += page
        await asyncio.sleep(0)
    faults: list[str] = []
    for _ in core.table.take_over(rows, ring, version, faults):
        await asyncio.sleep(0)
    core.table.prices.replace(prices)
    core.door.changed()
    for fault in faults:
        logger.error(fault)
