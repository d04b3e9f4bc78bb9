"""What an upstream says that a call used stands in the call's log row; the client gets the bytes
that came, however they were cut and coded."""

import gzip
from collections.abc import Iterator

import brotli
import pytest
import zstandard

from tests.gateway import metered
from tests.gateway.conftest import Database
from tests.gateway.metered import answers, asked, at_every, path_of, sized, usage_in
from tests.gateway.processes import Gateway, request
from tests.gateway.unit.usage.recorded import CHAT, EVENTS, JSON, RECORDED, compact
from tests.gateway.wire import Server

STREAMS = [name for name, recorded in RECORDED.items() if recorded.kind == EVENTS]
STEP = 24
CODINGS = {
    b"gzip": gzip.compress,
    b"br": brotli.compress,
    b"zstd": zstandard.ZstdCompressor().compress,
}


@pytest.fixture(scope="module")
def key(database: Database, upstream: Server) -> Iterator[str]:
    with metered.metered_upstreams(database, upstream):
        yield database.key_for("metered", metered.NAMES)


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_cut_at_any_byte_tells_the_same(
    gateway: Gateway, database: Database, upstream: Server, key: str, name: str
) -> None:
    recorded = RECORDED[name]
    cuts = [at_every(STEP, first, recorded.body) for first in range(1, STEP + 1)]
    cuts += [at_every(1, 1, recorded.body), [recorded.body]]

    made = [
        asked(gateway, key, recorded, answers(recorded.kind, pieces), upstream) for pieces in cuts
    ]

    rows = [metered.row(database, answer) for answer in made]
    assert {(usage_in(row), row["usage_source"]) for row in rows} == {(recorded.usage, "reported")}
    assert {row["bytes_out"] for row in rows} == {len(recorded.body)}


@pytest.mark.parametrize("name", [name for name in RECORDED if name not in STREAMS])
def test_an_answer_of_one_document_is_read_whole_or_in_parts(
    gateway: Gateway, database: Database, upstream: Server, key: str, name: str
) -> None:
    recorded = RECORDED[name]
    whole = sized(recorded.kind, recorded.body)
    parts = answers(recorded.kind, at_every(7, 3, recorded.body))

    rows = [
        metered.row(database, asked(gateway, key, recorded, script, upstream))
        for script in (whole, parts)
    ]

    told = (recorded.usage, "reported")
    assert [(usage_in(row), row["usage_source"]) for row in rows] == [told] * 2


@pytest.mark.parametrize("coding", CODINGS)
def test_a_coded_answer_is_read_and_passed_on_as_it_is(
    gateway: Gateway, database: Database, upstream: Server, key: str, coding: bytes
) -> None:
    recorded = RECORDED["claude_stream"]
    body = CODINGS[coding](recorded.body)
    path = path_of(upstream, answers(EVENTS, at_every(11, 5, body), coding=coding))

    answer = gateway.ask(metered.ask("anthropic", path, key))

    row = metered.row(database, answer)
    assert answer.body == body
    assert (usage_in(row), row["usage_source"]) == (recorded.usage, "reported")


def test_the_second_and_later_calls_are_read_too(
    gateway: Gateway, database: Database, upstream: Server, key: str
) -> None:
    path = path_of(upstream, sized(JSON, RECORDED["chat"].body))
    wires = [gateway.connect() for _ in range(2)]
    made = [
        wire.send(metered.ask("openai", path, key)).answer() for wire in wires for _ in range(5)
    ]

    rows = [metered.row(database, answer) for answer in made]

    assert {usage_in(row) for row in rows} == {RECORDED["chat"].usage}


def test_nought_is_told_from_nothing(
    gateway: Gateway, database: Database, upstream: Server, key: str
) -> None:
    none = compact(CHAT | {"usage": {"prompt_tokens": 0, "completion_tokens": 0}}).encode()
    answer = gateway.ask(metered.ask("openai", path_of(upstream, sized(JSON, none)), key))

    row = metered.row(database, answer)

    assert [row[name] for name in metered.TOKENS] == [0, 0, None, None]
    assert row["usage_source"] == "reported"


def test_only_calls_that_make_something_are_read(
    gateway: Gateway, database: Database, upstream: Server, key: str
) -> None:
    """A GET of what was made before says what that used."""
    path = path_of(upstream, sized(JSON, RECORDED["response"].body))
    answer = gateway.ask(request("GET", metered.place("openai", path), key))

    row = metered.row(database, answer)

    assert answer.body == RECORDED["response"].body
    assert (usage_in(row), row["usage_source"]) == (("", None, None, None, None), "")


@pytest.mark.parametrize("coding", [b"gzip", b"br", b"zstd", b"gzip, x-unknown"])
def test_a_coding_that_is_a_lie_harms_no_answer(
    gateway: Gateway, database: Database, upstream: Server, key: str, coding: bytes
) -> None:
    recorded = RECORDED["chat_stream"]
    script = answers(EVENTS, at_every(50, 9, recorded.body), coding=coding)

    row = metered.row(database, asked(gateway, key, recorded, script, upstream))

    assert row["status"] == 200
    assert row["usage_source"] != "reported"
