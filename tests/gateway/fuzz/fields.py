"""Fuzz target: field values of an upstream's answer that say how long its connection waits, or
repeat the credential that stood in the query.

The first byte chooses the credential; lines of the rest are fields, the first is the reason phrase.
"""

from urllib.parse import quote, quote_plus

from proxy.gateway.head import BadMessage
from proxy.gateway.hygiene import interim_to_client, to_client
from proxy.gateway.injection import query_parameter, withheld
from proxy.gateway.leaving import MAX_IDLE, idle_of
from proxy.gateway.response import ResponseHead, parse_response
from tests.gateway.fuzz import oracles

USUAL = 15.0
PAIRS = [("k", "s3 cret&"), ("k", "k"), ("key", "a/b+c="), ("k", "k=k"), ("\xe4", "\xf6%41")]
WAYS = [query_parameter(*pair) for pair in PAIRS]

SEEDS = [
    b"\x00OK\nKeep-Alive: timeout=5, max=100",
    b'\x00\nKeep-Alive: max=1; Timeout = "60"\nKeep-Alive: timeout=1',
    b"\x00\nKeep-Alive: xtimeout=5, timeout=0",
    b"\x00Found\nLocation: /next?a=b&k=s3%20cret%26&c=d\nX: k=s3+cret%26#x",
    b"\x00\nLocation: /next?k=k=s3%20cret%26s3%20cret%26",
    b"\x00Not Found: /x?k=s3%20cret%26\nRefresh: 0; url=/?k=s3%20cret%26",
    b"\x01\nLocation: /?k=k&k=k&kk=k=k",
    b"\x02\nLink: </?key=a%2Fb%2Bc%3D>, </?key=a/b%2bc%3d>; rel=next\nSet-Cookie: key=a/b+c=",
    b"\x03\nX: k=k=k=k&k=k%3Dk",
    b"\x00" + (b"k=s3%20c" * 20 + b"ret%26" * 20 + b"\nX: ") * 2,
    b"\x04\nContent-Location: /?\xc3\xa4=\xc3\xb6%2541&%c3%a4=%c3%b6%2541",
]
TOKENS = [
    b"\nKeep-Alive: ", b"timeout=", b"timeout", b"TimeOut = ", b'"', b", ", b";", b"max=100",
    b"\nLocation: /?", b"\nSet-Cookie: ", b"&", b"?", b"=", b"%3d", b"%3D",
    *WAYS[0].spellings[:3], *WAYS[1].spellings, *WAYS[2].spellings[:4], *WAYS[3].spellings,
]  # fmt: skip


def check(data: bytes) -> None:
    choice = (data[0] if data else 0) % len(WAYS)
    reason, *lines = data[1:].replace(b"\r", b"").split(b"\n")
    fields = b"".join(line + b"\r\n" for line in lines if line)
    answers = []
    for status in (b"103", b"302"):
        block = b"HTTP/1.1 %b %b\r\n%b\r\n" % (status, reason, fields)
        try:
            answers.append(parse_response(block, b"GET"))
        except BadMessage:
            return
    for answer in answers:
        check_idle(answer)
        check_withheld(answer, *PAIRS[choice])


def check_idle(answer: ResponseHead) -> None:
    said = [value for name, value in answer.headers if name == b"keep-alive"]
    seconds = next((each for each in map(timeout_of, said) if each is not None), None)
    meant = USUAL if seconds is None else min(seconds - 1.0, 60.0)
    assert idle_of(answer, USUAL) == meant
    assert -1.0 <= meant <= MAX_IDLE


def timeout_of(value: bytes) -> float | None:
    """The first parameter of that name, wherever a reader might find one; nine digits of it."""
    lower, at = value.lower(), -1
    while (at := lower.find(b"timeout", at + 1)) >= 0:
        before, rest = lower[:at], lower[at + 7 :].lstrip(b" ")
        if (before and before[-1:] not in b",; \t") or not rest.startswith(b"="):
            continue
        rest = rest[1:].lstrip(b" ").removeprefix(b'"')
        digits = rest[: len(rest) - len(rest.lstrip(b"0123456789"))]
        if digits:
            return float(digits[:9])
    return None


def check_withheld(answer: ResponseHead, name: str, credential: str) -> None:
    """PRX-11: nothing that goes to the client tells it, and nothing else is changed."""
    own = WAYS[PAIRS.index((name, credential))].spellings
    pair = own[-1]
    assert withheld(b"/0?1=2&%b&3=4" % pair, own) == b"/0?1=2&3=4"
    told = list(answer.lines)
    answer.withhold(own)
    assert [line.field[0] for line in answer.lines] == [line.field[0] for line in told]
    for old, new in zip(told, answer.lines, strict=True):
        if not any(spelling in old.field[1] for spelling in own):
            assert new is old
        assert is_part(new.field[1], old.field[1])
        assert withheld(new.field[1], own) == new.field[1]
    for sent in (
        interim_to_client(answer),
        to_client(answer, version=11, request_id=b"rid", foreign=True),
    ):
        for spelling in spelt(name, credential):
            assert spelling not in sent, spelling
        (seen,) = oracles.answers(sent).messages
        assert seen.start == b"%d" % answer.status


def spelt(name: str, credential: str) -> list[bytes]:
    """How a reader of the query might write it again."""
    values = {credential, quote(credential, safe=""), quote_plus(credential), quote(credential)}
    return [f"{said}={value}".encode() for said in {name, quote(name)} for value in values]


def is_part(made: bytes, value: bytes) -> bool:
    """Only left out of, nothing added."""
    rest = iter(value)
    return all(byte in rest for byte in made)
