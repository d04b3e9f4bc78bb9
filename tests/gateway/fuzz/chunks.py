"""Fuzz target: the chunked decoder, whatever the pieces; what it takes llhttp and h11 take too."""

from collections.abc import Iterable
from typing import NamedTuple

from proxy.gateway.chunked import ChunkedDecoder, encode, encode_last
from proxy.gateway.head import MAX_FIELDS, MAX_HEAD, BadMessage, Fields
from proxy.gateway.hygiene import trailers_to_client, trailers_to_upstream
from proxy.gateway.injection import header
from tests.gateway.fuzz import attacks, oracles
from tests.gateway.fuzz.ours import is_ours, plain
from tests.gateway.fuzz.requests import MOST_BY_ONE, SPLITS, pieces

POST = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
OWN = header("X-Goog-Key: {credential}", "s")
FRAMING = {b"content-length", b"transfer-encoding"}
HEADS_ONLY = {b"cookie", b"set-cookie", b"content-type", b"content-encoding", b"cache-control"}
SEEDS = [
    *attacks.CHUNKS,
    b"64\r\n" + b"x" * 100 + b"\r\n0\r\n\r\n",
    b"100000005\r\nhello\r\n0\r\n\r\n",
    b"10000000000005\r\nhello\r\n0\r\n\r\n",
    b'5;a="b"\r\nhello\r\n1\r\n!\r\n0\r\nSum: x\r\nOther: y \r\n\r\n',
    b"0\r\n\r\n",
    b"00000000A\r\n0123456789\r\n0\r\n\r\nGET / HTTP/1.1\r\n",
    b'3;x;y=1;z="\\""\r\nabc\r\n0;last\r\nX-Api-Key: k\r\nContent-Length: 5\r\n\r\n',
    b"1\r\n\r\r\n1\r\n\n\r\n2\r\n\r\n\r\n0\r\n\r\n",
    b"fffffffffffff\r\nabc",
    b"10\r\n0123456789abcdef\r\n0\r\nA: 1\r\nA: 2\r\nx_goog_key: e\r\n\r\n",
]
TOKENS = [
    b"\r\n0\r\n\r\n",
    b"0\r\n",
    b"1;a=b\r\n",
    b'1;a="\\"\r\n',
    b"1 \r\n",
    b"0x1\r\n",
    b"1_0\r\n",
    b"+1\r\n",
    b"-1\r\n",
    b"10000000000000001\r\n",
    b"ffffffffffffffff\r\n",
    b"Host: b\r\n",
    b"Transfer_Encoding: chunked\r\n",
    b" folded\r\n",
]


class Outcome(NamedTuple):
    refused: bool
    done: bool
    consumed: int
    payload: bytes
    trailers: Fields


def check(data: bytes) -> None:
    whole = decode([data])
    for sizes in SPLITS:
        if sizes != (1,) or len(data) <= MOST_BY_ONE:
            assert decode(pieces(data, sizes)) == whole
    theirs = oracles.requests(POST + data[: whole.consumed])
    if not whole.refused and not theirs.refused:
        assert theirs.messages[0].body == whole.payload
    if whole.done:
        check_done(data, whole)


def decode(parts: Iterable[bytes]) -> Outcome:
    decoder, consumed, payload = ChunkedDecoder(), 0, b""
    try:
        for part in parts:
            taken = decoder.feed(part)
            assert 0 <= taken <= len(part)
            assert len(decoder.tail) <= MAX_HEAD
            consumed += taken
            payload += b"".join(decoder.pieces)
            decoder.pieces.clear()
            if decoder.done:
                break
            assert taken == len(part)
    except BadMessage:
        return Outcome(True, False, 0, payload + b"".join(decoder.pieces), [])
    return Outcome(False, decoder.done, consumed, payload, decoder.trailers)


def check_done(data: bytes, ours: Outcome) -> None:
    """Not a byte early, not a byte late, and what we write of it says the same."""
    assert not decode([data[: ours.consumed - 1]]).done
    assert decode([data[: ours.consumed]]) == ours
    check_oracles(data[: ours.consumed], ours)
    sent = trailers_to_upstream(ours.trailers)
    again = encode(ours.payload) + encode_last(sent)
    told = ours._replace(consumed=len(again), trailers=sent)
    assert decode([again]) == told
    check_oracles(again, told)
    assert len(ours.trailers) <= MAX_FIELDS
    check_trailers(ours.trailers)


def check_oracles(body: bytes, ours: Outcome) -> None:
    # Both read trailers as if they were in the head: framing fields there make them refuse. Here
    # they are read, mean nothing, and are not sent on.
    if any(name in FRAMING for name, _ in ours.trailers):
        return
    theirs, found = oracles.requests(POST + body), oracles.first_request(POST + body)
    assert not theirs.refused
    assert found is not None
    assert found[1] == b""
    assert len(theirs.messages) == 1
    for message in (theirs.messages[0], found[0]):
        assert message.complete
        assert (message.body, message.trailers) == (ours.payload, ours.trailers)


def check_trailers(trailers: Fields) -> None:
    """SMG-08: none that would mean something in a head, in any spelling that CGI makes one."""
    up, down = trailers_to_upstream(trailers, OWN), trailers_to_client(trailers)
    for sent in (up, down):
        assert [field for field in trailers if field in sent] == sent
        assert not [name for name, _ in sent if is_ours(name) or plain(name) in HEADS_ONLY]
    assert b"x-goog-key" not in [plain(name) for name, _ in up]
