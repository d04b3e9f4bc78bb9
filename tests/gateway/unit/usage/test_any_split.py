"""The same usage for any pieces of the same bytes; of a stream cut short what it had told."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.usage.reported import UNKNOWN, Usage
from tests.gateway.unit.usage.codings import encoded
from tests.gateway.unit.usage.recorded import (
    CHAT_CHUNKS,
    CLAUDE_EVENTS,
    CLAUDE_STREAM_USAGE,
    EVENTS,
    RECORDED,
    STREAM_USAGE,
    Json,
    compact,
    events,
    open_for,
    read,
)

CODINGS = [b"", b"gzip", b"deflate", b"br", b"zstd", b"br, gzip"]
CASES = list(itertools.product(RECORDED, CODINGS))


@pytest.mark.parametrize(("name", "coding"), CASES)
def test_cut_in_two_at_every_byte_and_byte_by_byte(name, coding):
    recorded = RECORDED[name]
    body = encoded(recorded.body, coding)

    for cut in range(len(body) + 1):
        pieces = [body[:cut], body[cut:]]
        assert read(recorded.form, recorded.kind, pieces, coding) == recorded.usage, cut
    single = [body[at : at + 1] for at in range(len(body))]
    assert read(recorded.form, recorded.kind, single, coding) == recorded.usage


@given(st.sampled_from(CASES), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_in_random_pieces(case: tuple[str, bytes], rng: random.Random):
    recorded, coding = RECORDED[case[0]], case[1]
    body = encoded(recorded.body, coding)
    cuts = sorted(rng.choices(range(len(body) + 1), k=rng.randrange(40)))

    pieces = [body[begin:end] for begin, end in itertools.pairwise([0, *cuts, len(body)])]

    assert read(recorded.form, recorded.kind, pieces, coding) == recorded.usage


@pytest.mark.parametrize(("name", "coding"), CASES)
def test_asked_at_every_byte_it_says_what_a_stream_that_ended_there_says(name, coding):
    recorded = RECORDED[name]
    body = encoded(recorded.body, coding)
    asked = open_for(recorded, coding)

    for end in range(0, len(body), 1 if len(body) < 1500 else 7):
        asked.feed(body[max(end - (1 if len(body) < 1500 else 7), 0) : end])
        assert asked.usage() == read(recorded.form, recorded.kind, [body[:end]], coding)


def ends(stream: list[Json | str], named: bool) -> list[int]:
    """Where the last byte of each event's data is."""
    made = itertools.accumulate(len(events([event], named)) for event in stream)
    return [end - 2 for end in made]


def test_an_openai_stream_tells_its_usage_from_the_last_chunk_on():
    body = RECORDED["chat_stream"].body
    told = ends(CHAT_CHUNKS, named=False)[-2]
    first = ends(CHAT_CHUNKS, named=False)[0]

    for end in range(len(body)):
        usage = read("openai", EVENTS, [body[:end]])
        if end < first - 200:
            assert usage == UNKNOWN
        elif first <= end < told - 200:
            assert usage == Usage(STREAM_USAGE.model)
        elif end >= told:
            assert usage == STREAM_USAGE


def test_an_anthropic_stream_tells_what_had_been_reported():
    body = RECORDED["claude_stream"].body
    told = ends(CLAUDE_EVENTS, named=True)
    start = Usage("claude-sonnet-4-5", 1071, 1, 1050, None)

    assert read("anthropic", EVENTS, [body[:40]]) == UNKNOWN
    for end in range(told[0], told[-4]):
        assert read("anthropic", EVENTS, [body[:end]]) == start
    assert read("anthropic", EVENTS, [body[: told[-3]]]) == start._replace(tokens_out=9)
    assert read("anthropic", EVENTS, [body[: told[-2]]]) == CLAUDE_STREAM_USAGE


def test_a_document_that_broke_off_tells_the_members_that_came_whole():
    recorded = RECORDED["response"]
    body = recorded.body.decode()
    told = body.index(compact({"total_tokens": 123})[1:]) + len('"total_tokens":123}}') - 1

    for end in range(len(body) + 1):
        usage = read("openai", recorded.kind, [body[:end].encode()])
        if end < body.index('"gpt'):
            assert usage == UNKNOWN
        elif end > told:
            assert usage == recorded.usage
        else:
            assert usage in (UNKNOWN, Usage(recorded.usage.model))


def test_asking_changes_nothing():
    for recorded in RECORDED.values():
        reader = open_for(recorded)
        for byte in recorded.body:
            reader.feed(bytes([byte]))
            reader.usage()
        assert reader.usage() == reader.usage() == recorded.usage


def test_what_an_unfinished_event_said_is_not_kept():
    """Of a name that comes twice the last counts, as ever in JSON."""
    reader = open_for(RECORDED["chat_stream"])
    reader.feed(b'data: {"model":"m","usage":{"prompt_tokens":5},')
    assert reader.usage() == Usage("m", 5)

    reader.feed(b'"usage":{"completion_tokens":6}}\n\n')

    assert reader.usage() == Usage("m", None, 6)
