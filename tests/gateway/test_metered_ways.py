"""Calls to LLMs go the short way too, but where a budget holds what each of them may use."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import make
from tests.gateway import metered
from tests.gateway.conftest import Database
from tests.gateway.metered import path_of, sized, usage_in
from tests.gateway.processes import Gateway, environment
from tests.gateway.test_repeated_requests import repeated
from tests.gateway.unit.usage.recorded import JSON, RECORDED
from tests.gateway.wire import Server, Wire

TIMES = 9
ENDS = ["/chat/completions", "/responses"]


@pytest.fixture(scope="module")
def figures(database: Database) -> str:
    with database.rows():
        return make.service_key("metrics").secret


@pytest.fixture(scope="module")
def alone(
    database: Database, directory: Path, django: Server, upstream: Server, seeded: str
) -> Iterator[Gateway]:
    place = str(directory / "django.sock")
    made = Gateway(environment(DATABASE_URL=database.url, DJANGO_SOCKET=place))
    try:
        with metered.metered_upstreams(database, upstream):
            yield made.wait_until_ready()
        assert made.stop() == 0
        assert made.errors() == []
    finally:
        made.kill()


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("limits", [{}, {"tokens_per_day": 10**8}], ids=["free", "budget"])
def test_the_short_way(
    alone: Gateway,
    database: Database,
    upstream: Server,
    figures: str,
    limits: dict[str, int],
    end: str,
) -> None:
    key, wire = metered.limited(database, **limits), alone.connect()
    path = path_of(upstream, sized(JSON, RECORDED["chat"].body), end)
    before = repeated(alone, figures)

    answers = []
    for turn in range(TIMES):
        streams = {"stream": True} if turn < TIMES - 2 else {}
        body = json.dumps({"model": "gpt-x", "messages": ["x" * turn]} | streams).encode()
        answers.append(wire.send(metered.ask("openai", path, key, body=body)).answer())

    taken = repeated(alone, figures) - before
    assert taken == 0 if limits else taken >= TIMES - 4
    rows = [metered.row(database, answer) for answer in answers]
    assert {usage_in(row) for row in rows} == {RECORDED["chat"].usage}


@pytest.mark.parametrize("end", ENDS)
def test_a_body_in_pieces_and_the_next_request_with_it(
    alone: Gateway, database: Database, upstream: Server, end: str
) -> None:
    def mirrored(wire: Wire, head: bytes) -> None:
        sent = metered.take_body(wire, head)
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(sent), sent))

    key, wire = metered.limited(database), alone.connect()
    path = path_of(upstream, mirrored, end)
    bodies = [json.dumps({"n": 1, "pad": "y" * 3000 * turn}).encode() for turn in range(8)]
    calls = b"".join([metered.ask("openai", path, key, body=body) for body in bodies])

    got = []
    for at in range(0, len(calls), 1700):
        wire.send(calls[at : at + 1700])
    for _ in bodies:
        got.append(wire.answer().body)  # noqa: PERF401  one after the other

    assert got == bodies
