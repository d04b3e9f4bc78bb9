"""Field lines of answers that were read before mean what they meant then."""

import pytest

from proxy.gateway import lines
from proxy.gateway.head import SPECIAL, BadMessage
from proxy.gateway.lines import MAX_KEPT, MAX_LINE, read_lines


@pytest.fixture(autouse=True)
def _nothing_known():
    lines.kept.clear()
    yield
    lines.kept.clear()


SOME = [
    (b"Server: a", (b"server", b"a"), b"server: a\r\n"),
    (b"X-Odd:\t caf\xe9 \t", (b"x-odd", b"caf\xe9"), b"x-odd: caf\xe9\r\n"),
    (b"X-Empty:", (b"x-empty", b""), b"x-empty: \r\n"),
    (b"Content-Length: 5", (b"content-length", b"5"), b""),
    (b"Connection: close", (b"connection", b"close"), b""),
    (b"X-Momentry-Charge: 0", (b"x-momentry-charge", b"0"), b""),
    (b"X-Request-ID: a", (b"x-request-id", b"a"), None),
    (b"Set-Cookie: a=b", (b"set-cookie", b"a=b"), None),
    (b"RateLimit: r", (b"ratelimit", b"r"), None),
]


@pytest.mark.parametrize(("line", "field", "relayed"), SOME)
def test_it_reads_the_same_every_time(line, field, relayed):
    assert [read_lines([line]) for _ in range(3)] == [[(field, relayed, field[0] in SPECIAL)]] * 3


@pytest.mark.parametrize("line", [b"Set-Cookie: a=b", b"X-Request-ID: 1", b"X-A: " + b"a" * 256])
def test_what_is_somebodys_or_comes_once_or_is_long_is_not_kept(line):
    read_lines([line])

    assert not lines.kept


BROKEN = [
    *(b"", b":", b": a", b"a", b" a: b", b"\ta", b"a : b", b"a\xe9: b", b"a: \x00", b"a: b\r"),
    *(b"a: b\nc: d", b"a: \x7f"),
]


@pytest.mark.parametrize("line", BROKEN)
def test_what_is_no_field_line_is_refused_again_and_again(line):
    for _ in range(2):
        with pytest.raises(BadMessage) as caught:
            read_lines([b"Server: a", line])
        assert caught.value.code == "upstream_failed"
    assert list(lines.kept) == [b"Server: a"]


def test_no_more_than_so_many_are_kept_and_none_that_is_long():
    for number in range(3 * MAX_KEPT):
        read_lines([b"X-Number: %d" % number])
        assert len(lines.kept) <= MAX_KEPT
    read_lines([b"X-A: " + b"a" * (MAX_LINE - 5)])
    assert max(map(len, lines.kept)) == MAX_LINE
