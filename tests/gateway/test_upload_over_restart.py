"""OPS-03: an upload that a restart meets in the middle arrives once, whole, and is answered."""

import signal
import uuid

import pytest

from tests.gateway.conftest import Database, Start
from tests.gateway.processes import Gateway, rows_of
from tests.gateway.test_rolling_restart import restart, said
from tests.gateway.uploads import FRAMINGS, LARGE, SMALL, Desk, Upload, digest, upload
from tests.gateway.wire import Answer, Server, Wire, within

pytestmark = pytest.mark.slow

PATHS = {
    "/proxy/echo/up-small": SMALL,
    "/proxy/echo/up-large": LARGE,
    "/api/v1/up-small": SMALL,
    "/api/v1/up-large": LARGE,
}


def begin(gateway: Gateway, desk: Desk, key: str) -> list[tuple[Upload, Wire]]:
    """Of each kind one, all but its end."""
    found = []
    for path, size in PATHS.items():
        for framing in FRAMINGS:
            name = f"{path}-{framing}-{uuid.uuid4().hex[:8]}"
            desk.at(name.removeprefix("/proxy/echo"))
            made = upload(name, key, framing, size)
            found.append((made, gateway.connect().send(made.head + made.first)))
    return found


def end(some: list[tuple[Upload, Wire]]) -> list[Answer]:
    for made, wire in some:
        wire.send(made.rest)
    answers = [wire.answer() for _, wire in some]
    assert [answer.status for answer in answers] == [200] * len(some)
    assert [answer.body for answer in answers] == [digest(made) for made, _ in some]
    return answers


def test_an_upload_goes_on_through_restarts(
    start: Start, database: Database, key: str, upstream: Server, django: Server
) -> None:
    desk = Desk(upstream, django)
    gateway = start(2).wait_until_ready()
    first = set(gateway.children())
    during, after, twice = (begin(gateway, desk, key) for _ in range(3))

    gateway.process.send_signal(signal.SIGHUP)
    answers = end(during)
    assert within(20, lambda: said(gateway, "restarted") == 1)
    told = end(after)
    fresh = begin(gateway, desk, key)
    restart(gateway)
    told += end(twice) + end(fresh)

    assert not first & set(gateway.children()[-2:])
    assert {answer.field("connection") for answer in told} == {"close"}
    assert set(desk.whole.values()) == {1}
    assert desk.begun == desk.whole
    assert not desk.cut
    assert gateway.stop() == 0
    ids = [answer.field("x-request-id") for answer in answers + told]
    rows = rows_of(database.conninfo, "id = ANY(%s::uuid[])", ids)
    assert len(rows) == len(ids) == len(desk.whole)
    assert {(row["method"], row["status"], row["code"]) for row in rows} == {("POST", 200, "")}
    assert gateway.errors() == []
