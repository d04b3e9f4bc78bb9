"""Where the gateway has a quick way beside a plain one, both say the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from momentry.common import problem
from momentry.common.errors import CODES
from momentry.common.ids import uuid7_text
from proxy.gateway.answers import lines_of, refusal
from proxy.gateway.blocks import find_end
from proxy.gateway.client_side import whole_head
from proxy.gateway.head import MAX_HEAD, BadMessage

PIECES = st.sampled_from(
    [b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"GET / HTTP/1.1", b"a: b", b"\0", b"x" * (MAX_HEAD // 2)]
)


@given(st.lists(PIECES, max_size=6).map(b"".join))
def test_a_whole_head_ends_where_any_head_does(data):
    buffer = bytearray(data)
    try:
        end = find_end(buffer)
    except BadMessage:
        end = -1

    assert whole_head(data) in {0, end}
    assert not whole_head(data) or buffer == data


def test_the_usual_head_is_whole():
    assert whole_head(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody") == 27


def test_empty_lines_before_a_head_are_for_the_plain_way():
    assert whole_head(b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n") == 0


@pytest.mark.parametrize("dialect", ["", "anthropic"])
@pytest.mark.parametrize("code", sorted(CODES))
def test_a_refusal_is_as_if_composed_for_this_request(code, dialect):
    for _ in range(2):
        request_id = uuid7_text()
        made = problem.compose(code, request_id, None, dialect, {})

        answer = refusal(code, request_id, None, dialect)

        assert (answer.status, answer.body) == (made.status, made.body)
        assert answer.lines == lines_of(made.status, made.headers)
