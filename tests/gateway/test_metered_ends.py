"""No stream is free: a call that ends before its time costs what had come by then, whoever ended
it; and budgets hold over many processes."""

import contextlib
import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest

from apikeys.ledger import sql
from tests.gateway import metered
from tests.gateway.conftest import Database, Start
from tests.gateway.limited import subject_of
from tests.gateway.metered import assert_used, path_of, sized
from tests.gateway.misbehaving import End, close, reset, says
from tests.gateway.processes import Gateway, request
from tests.gateway.unit.usage.recorded import (
    CHAT,
    CLAUDE,
    CLAUDE_EVENTS,
    CLAUDE_USAGE,
    EVENTS,
    JSON,
    choice,
    compact,
    events,
)
from tests.gateway.wire import Cut, Script, Server, Wire, within
from tests.gateway.wiretap import Wiretap

HELD = 4096  # tokens of a call that names no maximum
BODY = json.dumps({"model": "gpt-x", "messages": [], "stream": True}).encode()
READ = -(-len(BODY) // 3)
CHATTED = events([choice({"role": "assistant", "content": ""}), *[choice({"content": "abc"})] * 5])
CHATTED_TOKENS = 5
CLAUDED = events(CLAUDE_EVENTS[:5], named=True)  # up to its first two words
CLAUDED_READ, CLAUDED_TOKENS = 21 + 1050, 3 + 2


@pytest.fixture(scope="module", autouse=True)
def _upstreams(database: Database, upstream: Server) -> Iterator[None]:
    with metered.metered_upstreams(database, upstream):
        yield


class Begun:
    """A stream that goes on until a test ends it."""

    def __init__(self, upstream: Server, body: bytes) -> None:
        self.body = body
        self.ends = threading.Event()
        self.last: End = close
        self.path = path_of(upstream, self.answer)

    def answer(self, wire: Wire, head: bytes) -> None:
        metered.take_body(wire, head)
        wire.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"%x\r\n%b\r\n" % (EVENTS, len(self.body), self.body)
        )
        self.ends.wait(30)
        self.last(wire)

    def call(self, gateway: Gateway, key: str, form: str) -> Wire:
        wire = gateway.connect().send(metered.ask(form, self.path, key, body=BODY))
        wire.until(self.body)
        return wire


class Part(NamedTuple):
    form: str
    body: bytes
    read: int
    wrote: int


PARTS = [
    Part("openai", CHATTED, READ, CHATTED_TOKENS),
    Part("anthropic", CLAUDED, CLAUDED_READ, CLAUDED_TOKENS),
]


def left(begun: Begun, wire: Wire, _gateway: Gateway) -> None:
    wire.close()
    begun.ends.set()


def tore(begun: Begun, wire: Wire, gateway: Gateway) -> None:
    """As somebody whose machine forgot the connection."""
    with contextlib.suppress(Cut):
        reset(wire)
    left(begun, wire, gateway)


def died(begun: Begun, wire: Wire, _gateway: Gateway) -> None:
    begun.ends.set()
    assert wire.is_closed_within(5)


def was_torn(begun: Begun, wire: Wire, gateway: Gateway) -> None:
    begun.last = reset
    died(begun, wire, gateway)


def drained(begun: Begun, wire: Wire, gateway: Gateway) -> None:
    assert gateway.stop() == 0
    begun.ends.set()


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("end", [left, tore, died, was_torn])
def test_a_stream_that_is_cut_costs_what_had_come(
    gateway: Gateway, database: Database, upstream: Server, part: Part, end: Callable[..., None]
) -> None:
    key = metered.limited(database, tokens_per_month=10_000, requests_per_day=9)
    begun = Begun(upstream, part.body)

    end(begun, begun.call(gateway, key, part.form), gateway)

    row = metered.only_row(database, "path = %s", metered.place(part.form, begun.path))
    assert (row["status"], row["usage_source"]) == (200, "aborted")
    assert (row["tokens_in"], row["tokens_out"]) == (part.read, part.wrote)
    assert_used(database, key, {"requests": 1, "tokens": part.read + part.wrote})


@pytest.mark.slow
def test_a_stop_settles_what_it_cuts(start: Start, database: Database, upstream: Server) -> None:
    gateway = start(DRAIN_SECONDS="1").wait_until_ready()
    key = metered.limited(database, tokens_per_month=10_000)
    begun = Begun(upstream, CHATTED)

    drained(begun, begun.call(gateway, key, "openai"), gateway)

    row = metered.only_row(database, "path = %s", metered.place("openai", begun.path))
    assert (row["usage_source"], row["tokens_out"]) == ("aborted", CHATTED_TOKENS)
    assert_used(database, key, {"tokens": READ + CHATTED_TOKENS})


@pytest.mark.slow
def test_what_a_killed_process_held_stays_counted(
    start: Start, database: Database, upstream: Server
) -> None:
    gateway = start().wait_until_ready()
    key = metered.limited(database, tokens_lifetime=READ + HELD)
    begun = Begun(upstream, CHATTED)
    begun.call(gateway, key, "openai")
    (child,) = gateway.children()

    os.kill(child, signal.SIGKILL)
    begun.ends.set()

    assert within(15, lambda: gateway.children() not in ([], [child]))
    assert_used(database, key, {"tokens": READ + HELD})


@pytest.mark.slow
def test_what_ends_while_the_database_is_away_costs_no_more_than_was_out_on_lease(
    start: Start, database: Database, upstream: Server, tap: Wiretap
) -> None:
    gateway = start(DATABASE_URL=tap.url).wait_until_ready()
    key = metered.limited(database, tokens_per_month=10_000)
    begun = Begun(upstream, CHATTED)
    wire = begun.call(gateway, key, "openai")

    tap.swallow_all()
    left(begun, wire, gateway)

    subject = subject_of(database, key)
    look = "SELECT used FROM apikeys_counter WHERE subject = %s AND leased = 0"
    least, most = READ + CHATTED_TOKENS, 2 * (READ + HELD)

    def is_settled() -> bool:
        """Others may have taken the process for dead: then what it held counts, and its lease."""
        found = database.fetch(look, subject)
        return bool(found) and least <= int(str(found[0][0])) <= most

    assert within(20, lambda: gateway.get("/readyz").status == 200)
    assert within(5, is_settled)
    assert database.fetch(sql.VERIFY) == []


def test_a_client_that_leaves_before_the_answer_pays_for_its_question(
    gateway: Gateway, database: Database, upstream: Server
) -> None:
    came = threading.Event()

    def silent(wire: Wire, head: bytes) -> None:
        metered.take_body(wire, head)
        came.set()
        wire.rest()

    key = metered.limited(database, tokens_per_month=10_000)
    path = path_of(upstream, silent)
    wire = gateway.connect().send(metered.ask("openai", path, key, body=BODY))
    assert came.wait(5)
    wire.close()

    row = metered.only_row(database, "path = %s", metered.place("openai", path))
    assert (row["status"], row["usage_source"]) == (499, "aborted")
    assert (row["tokens_in"], row["tokens_out"]) == (READ, 0)
    assert_used(database, key, {"tokens": READ})


def test_an_answer_without_a_body_costs_its_question(
    gateway: Gateway, database: Database, upstream: Server
) -> None:
    """HEAD: what the answer would have said of its use is not there to be read."""
    key = metered.limited(database, tokens_per_month=10_000)
    path = path_of(upstream, says(b"HTTP/1.1 200 OK\r\nContent-Length: 7000\r\n\r\n"))
    call = request("HEAD", metered.place("openai", path), key)

    wire = gateway.connect().send(call)
    assert wire.answer(bodiless=True).status == 200

    row = metered.only_row(database, "path = %s", metered.place("openai", path))
    assert (row["tokens_in"] or 0, row["tokens_out"] or 0) == (0, 0)
    assert_used(database, key, {})


def test_what_was_reported_before_the_cut_counts_where_it_is_more(
    gateway: Gateway, database: Database, upstream: Server
) -> None:
    key = metered.limited(database, tokens_per_month=10_000)
    first: dict[str, Any] = {"type": "message_start", "message": json.loads(compact(CLAUDE))}
    begun = Begun(upstream, events([first], named=True))

    left(begun, begun.call(gateway, key, "anthropic"), gateway)

    read, wrote = CLAUDE_USAGE.tokens_in or 0, CLAUDE_USAGE.tokens_out or 0
    assert_used(database, key, {"tokens": read + wrote})


def greedy(wire: Wire, head: bytes) -> None:
    """Uses all that it may."""
    body = metered.take_body(wire, head)
    usage = {"prompt_tokens": len(body) // 3, "completion_tokens": json.loads(body)["max_tokens"]}
    sized_answer: Script = sized(JSON, compact(CHAT | {"usage": usage}).encode())
    wire.held = head + body + wire.held
    sized_answer(wire, wire.until(b"\r\n\r\n"))


@pytest.mark.slow
def test_a_budget_is_never_passed_by_many_on_two_processes(
    gateway: Gateway, database: Database, upstream: Server
) -> None:
    key = metered.limited(database, tokens_lifetime=3000, requests_per_day=500)
    path = path_of(upstream, greedy)
    body = json.dumps({"model": "gpt-xyz", "messages": [], "max_tokens": 70}).encode()
    each = len(body) // 3 + 70
    assert len(body) % 3 == 0
    call = metered.ask("openai", path, key, body=body)

    with ThreadPoolExecutor(12) as threads:
        told = Counter(threads.map(lambda _: gateway.ask(call).status, range(90)))

    assert set(told) == {200, 429}
    assert len(upstream.heads_of(path)) == told[200] <= 3000 // each
    assert_used(database, key, {"requests": told[200], "tokens": told[200] * each})

    def is_used_up() -> bool:  # what was held meanwhile is free again, at others a moment later
        told[200] += gateway.ask(call).status == 200
        return told[200] == 3000 // each

    assert within(5, is_used_up)
    assert gateway.ask(call).status == 429
