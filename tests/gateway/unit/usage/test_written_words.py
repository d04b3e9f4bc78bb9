"""How much of an answer has come, where nobody says how many tokens it was."""

import gzip

import pytest

from proxy.usage.reader import UsageReader, open_reader
from tests.gateway.unit.usage.recorded import EVENTS, RECORDED, WORDS, choice, events

SAID = [word for word in WORDS if word]


def reader(form: str, body: bytes, kind: bytes = EVENTS, coding: bytes = b"") -> UsageReader:
    made = open_reader(form, kind, coding)
    for at in range(0, len(body), 7):
        made.feed(body[at : at + 7])
    return made


@pytest.mark.parametrize("name", ["chat_stream", "claude_stream", "claude_stream_crlf"])
@pytest.mark.parametrize("coding", [b"", b"gzip"])
def test_a_token_at_least_for_each_word_and_no_more_than_its_bytes(name, coding):
    recorded = RECORDED[name]
    body = gzip.compress(recorded.body) if coding else recorded.body

    written = reader(recorded.form, body, coding=coding).written(10**6)

    assert len(SAID) <= written <= sum(len(word.encode()) + 2 for word in SAID)


def test_a_response_stream_counts_what_was_added():
    body = events([{"type": "response.output_text.delta", "delta": "x" * 30}] * 5)

    assert reader("openai", body).written(10**6) == 50


def test_nothing_was_written_by_a_stream_that_has_only_begun():
    body = events([choice({"role": "assistant", "content": ""})])

    assert reader("openai", body).written(10**6) == 0


@pytest.mark.parametrize(
    ("kind", "coding", "body"),
    [(EVENTS, b"", b'data: {"x":1}\n\n'), (b"application/json", b"", b"{}"), (b"", b"", b"abc"),
     (EVENTS, b"x-unknown", b"abc")],
)  # fmt: skip
def test_an_answer_of_no_known_shape_is_told_by_its_size(kind, coding, body):
    assert reader("openai", body, kind, coding).written(3000) == 1000
