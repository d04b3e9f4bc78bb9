"""LOG-03: every refusal of the gateway waits for its event as soon as its log row is in, also those
of a flood, which share rows."""

import uuid
from collections import Counter
from typing import Final

import pytest

from tests.gateway.conftest import Database, Start
from tests.gateway.processes import Gateway, request
from tests.gateway.test_lock_out import unknown
from tests.gateway.wire import within

pytestmark = pytest.mark.slow
MANY: Final = 60  # more than an address has rows for in a second
GUESSER, OTHER = "203.0.113.91", "203.0.113.92"
NOTED: Final = """
SELECT code, host(client_address), key_id, sum(count)::int FROM events_refusal
 WHERE host(client_address) = ANY(%s) GROUP BY 1, 2, 3
"""
ROWS: Final = "SELECT count(*) FROM apikeys_requestlog WHERE host(client_address) = %s"


def noted(database: Database) -> dict[tuple[object, ...], int]:
    found = database.fetch(NOTED, [GUESSER, OTHER])
    return {tuple(row[:3]): int(str(row[3])) for row in found}


def ask(
    gateway: Gateway, key: str, address: str, times: int = 1, upstream: str = "echo"
) -> Counter[int]:
    fields, path = f"X-Forwarded-For: {address}", f"/proxy/{upstream}/x"
    wires = [gateway.connect().send(request("GET", path, key, fields)) for _ in range(times)]
    return Counter(wire.answer().status for wire in wires)


def test_each_is_noted_once_whether_it_has_a_row_of_its_own_or_not(
    start: Start, database: Database
) -> None:
    gateway = start(1, TRUSTED_PROXIES="127.0.0.1").wait_until_ready()
    nowhere = f"n{uuid.uuid4().hex[:8]}"  # no other test has an upstream of that name
    good = database.key_for(nowhere, nowhere)
    ended = database.key_for(f"n{uuid.uuid4().hex[:8]}", "echo")
    key_id = uuid.UUID(ended.split("_")[1])
    database.change("UPDATE apikeys_apikey SET revoked_at = now() WHERE id = %s", key_id)

    assert ask(gateway, unknown(), GUESSER, MANY) == {401: MANY}
    assert ask(gateway, "", OTHER, 2) == {401: 2}
    assert ask(gateway, ended, OTHER, 3) == {401: 3}
    assert ask(gateway, good, OTHER, 1, nowhere) == {404: 1}  # no such upstream: no refusal

    expected = {
        ("invalid_key", GUESSER, None): MANY, ("missing_key", OTHER, None): 2,
        ("key_revoked", OTHER, key_id): 3,
    }  # fmt: skip
    assert within(10, lambda: noted(database) == expected), noted(database)
    ((rows,),) = database.fetch(ROWS, GUESSER)
    assert 0 < int(str(rows)) < MANY
