"""Upstreams whose answers tell what they used, for the gateway's tests."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from apikeys.ledger import sql
from tests import make
from tests.gateway.books import books
from tests.gateway.conftest import Database
from tests.gateway.limited import subject_of
from tests.gateway.processes import Gateway, request, rows_of
from tests.gateway.unit.usage.recorded import Recorded
from tests.gateway.wire import Answer, Script, Server, Wire, within

JSON = "Content-Type: application/json"
FORMS = ("openai", "anthropic")
NAMES = " ".join(f"m-{form}" for form in (*FORMS, "dead"))
TOKENS = ("tokens_in", "tokens_out", "tokens_cached", "tokens_reasoning")


@contextmanager
def metered_upstreams(database: Database, upstream: Server) -> Iterator[None]:
    base = f"http://127.0.0.1:{upstream.port}"
    with database.rows():
        rows = [make.upstream(f"m-{form}", base, usage_format=form) for form in FORMS]
        rows.append(make.upstream("m-dead", "http://127.0.0.1:9", usage_format="openai"))
    yield
    with database.rows():
        for row in rows:
            row.delete()


def limited(database: Database, **limits: int) -> str:
    """The key of a new member, whose tier has these limits."""
    name = f"m{uuid.uuid4().hex[:8]}"
    secret = database.key_for(name, NAMES)
    for column, value in limits.items():
        change = f"UPDATE apikeys_tier SET {column} = %s WHERE slug = %s"
        database.change(change, value, f"tier-{name}")
    return secret


def assert_used(database: Database, key: str, expected: dict[str, int]) -> None:
    """By metric, of this key's member; what goes back is written a moment after the answer."""
    subject, found = subject_of(database, key), dict[str, int]()

    def is_so() -> bool:
        units = books(database, subject)
        found.update({name.partition(" ")[0]: number for name, number in units.items()})
        return found == expected

    within(5, is_so)
    assert found == expected
    assert database.fetch(sql.VERIFY) == []


def place(form: str, path: str) -> str:
    return f"/proxy/m-{form}{path}"


def ask(form: str, path: str, key: str, *fields: str, body: bytes = b"{}") -> bytes:
    return request("POST", place(form, path), key, JSON, *fields, body=body)


def path_of(server: Server, script: Script, end: str = "") -> str:
    """A path of its own that is answered so."""
    path = f"/metered-{uuid.uuid4().hex[:8]}{end}"
    server.on(path, script)
    return path


def answers(
    kind: bytes, pieces: Sequence[bytes], *, coding: bytes = b"", status: int = 200
) -> Script:
    """Each piece a chunk of the answer."""

    def script(wire: Wire, head: bytes) -> None:
        take_body(wire, head)
        fields = b"Content-Type: %b\r\n" % kind if kind else b""
        fields += b"Content-Encoding: %b\r\n" % coding if coding else b""
        chunks = b"".join([b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece])
        first = b"HTTP/1.1 %d X\r\n%bTransfer-Encoding: chunked\r\n\r\n" % (status, fields)
        wire.send(first + chunks + b"0\r\n\r\n")

    return script


def sized(kind: bytes, body: bytes, status: int = 200) -> Script:
    def script(wire: Wire, head: bytes) -> None:
        take_body(wire, head)
        fields = b"Content-Type: %b\r\nContent-Length: %d\r\n\r\n" % (kind, len(body))
        wire.send(b"HTTP/1.1 %d X\r\n%b%b" % (status, fields, body))

    return script


def take_body(wire: Wire, head: bytes) -> bytes:
    """The request's, as it stood on the wire; chunked framing included."""
    wire.held = head + wire.held
    return wire.message()[1]


def row(database: Database, answer: Answer) -> dict[str, Any]:
    """What the log says of the request with this answer."""
    return only_row(database, "id = %s", answer.field("x-request-id"))


def only_row(database: Database, where: str, *values: Any) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    def look() -> bool:
        found[:] = rows_of(database.conninfo, where, *values)
        return bool(found)

    assert within(10, look)
    assert len(found) == 1
    return found[0]


def usage_in(found: dict[str, Any]) -> tuple[Any, ...]:
    return found["model"], *(found[name] for name in TOKENS)


def at_every(step: int, first: int, body: bytes) -> list[bytes]:
    """The body, cut at ``first`` and after each ``step`` bytes more."""
    cuts = [0, *range(first, len(body), step), len(body)]
    return [body[begin:end] for begin, end in pairwise(cuts)]


Ask = Callable[..., Answer]


def asked(gateway: Gateway, key: str, recorded: Recorded, script: Script, server: Server) -> Answer:
    answer = gateway.ask(ask(recorded.form, path_of(server, script), key))
    assert answer.body == recorded.body
    return answer
