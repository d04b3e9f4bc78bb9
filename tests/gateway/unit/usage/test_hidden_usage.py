"""What a client did not ask for is kept from it: one event, at any split, and nothing else."""

import json

import pytest

from proxy.usage.hiding import MOST, Hider
from tests.gateway.unit.usage.recorded import CHAT_CHUNKS, CHUNK, choice, compact, events, told

EXTRA = {**CHUNK, "choices": [], "usage": told(19, 10, 0, 0)}
OTHERS = [chunk for chunk in CHAT_CHUNKS if chunk != EXTRA]


def hidden(pieces: list[bytes]) -> bytes:
    hider = Hider()
    return b"".join([*map(hider.feed, pieces), hider.rest()])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_one_event_goes_at_any_split(end):
    whole, expected = events(CHAT_CHUNKS, end=end), events(OTHERS, end=end)
    assert len(OTHERS) == len(CHAT_CHUNKS) - 1

    for at in range(len(whole) + 1):
        assert hidden([whole[:at], whole[at:]]) == expected
    assert hidden([whole[at : at + 1] for at in range(len(whole))]) == expected


def test_what_is_whole_goes_on_at_once():
    hider = Hider()
    first, second = events([choice({"content": "a"})]), events([choice({"content": "b"})])

    assert hider.feed(first) == first
    assert hider.feed(second[:9]) == b""
    assert hider.feed(second[9:]) == second


@pytest.mark.parametrize(
    "data",
    [
        compact(CHUNK | {"choices": [], "usage": None}),
        compact(CHUNK | {"choices": [], "prompt_filter_results": [{"usage": 1}]}),
        compact(CHUNK | {"choices": [{"index": 0, "delta": {"content": '"choices":[]'}}]}),
        compact(CHUNK | {"choices": [], "usage": 5}),
        '{"choices":[],"usage":{}', "[DONE]", '[{"choices":[],"usage":{}}]',
    ],
)  # fmt: skip
def test_other_events_pass(data):
    whole = f"data: {data}\n\n: a comment\n\ndata: [DONE]\n\n".encode()

    assert hidden([whole]) == whole
    assert hidden([whole[:40], whole[40:-1]]) == whole[:-1]


@pytest.mark.parametrize(
    "event",
    [
        "data:" + compact(EXTRA) + "\n\n",
        "data: " + json.dumps(EXTRA, indent=1).replace("\n", "\ndata: ") + "\n\n",
        "event: x\nid: 5\ndata: " + compact(EXTRA) + "\n\n",
        "data: " + compact(EXTRA) + "\n",
        "data: " + compact(EXTRA),
    ],
)
def test_however_it_is_written(event):
    before = events(OTHERS[:2])

    assert hidden([before + event.encode()]) == before
    assert hidden([before, event[:20].encode(), event[20:].encode()]) == before


def test_a_large_event_does_not_wait():
    hider = Hider()
    large = b"data: " + b"x" * (2 * MOST)

    passed = hider.feed(large)
    assert len(passed) > MOST
    rest = b"yz\n\n" + events([EXTRA]) + b"data: [DONE]\n\n"
    passed += b"".join(hider.feed(rest[at : at + 1]) for at in range(len(rest)))

    assert passed + hider.rest() == large + b"yz\n\ndata: [DONE]\n\n"
