"""The targets on what bytes at random seldom make: whole shapes of paths, hops, fields, answers."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.fuzz import addresses, answers, onward, paths
from tests.gateway.fuzz.ours import BETWEEN_HOPS, CREDENTIALS, FORWARDING, FRAMING

EXAMPLES = settings(max_examples=50, deadline=None)

CHARACTERS = [
    b"a",
    b".",
    b"..",
    b"/",
    b"\\",
    b";",
    b" ",
    b"?",
    b"#",
    b"%",
    b"\xc3\xa4",
    b"\0",
    b"z",
]
OVERLONG = [b"\xc0\xae", b"\xc0\xaf", b"\xe0\x80\xae", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xae"]


def encoded(text: bytes, depth: int, upper: bool) -> bytes:
    """Percent-encoded so many times over; not at all for 0."""
    for _ in range(depth):
        form = b"%%%02X" if upper else b"%%%02x"
        text = b"".join(form % byte for byte in text)
    return text


PIECE = st.builds(
    encoded, st.sampled_from(CHARACTERS + OVERLONG), st.sampled_from([0, 1, 1, 2, 3]), st.booleans()
)
REST = st.lists(PIECE, max_size=8).map(b"".join)
DOOR = st.sampled_from([b"/proxy/echo/", b"/proxy/echo", b"/api/v1/", b"/%70roxy/echo/", b"/v1/"])


@given(DOOR, REST)
@EXAMPLES
def test_paths(door: bytes, rest: bytes) -> None:
    paths.check(door + rest)


HOP = st.one_of(
    st.ip_addresses().map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
    st.sampled_from(
        ["10.0.0.9", "::1", "[2001:db8:0:1::9]", "unknown", "", "_gate", "[::1", "1.2"]
    ),
)
PORT = st.sampled_from(["", "", ":443", ":", ":x", "%lo", " ", "443", "]"])


@given(st.integers(0, 5), st.lists(st.builds("{}{}".format, HOP, PORT), max_size=5))
@EXAMPLES
def test_hops(peer: int, hops: list[str]) -> None:
    addresses.check(bytes([peer]) + ",".join(hops).encode())


OURS = sorted(BETWEEN_HOPS | CREDENTIALS | FORWARDING | FRAMING)
NAMES = [
    *OURS, b"x-momentry-user-id", b"x-momentry-x", b"x-forwarded-for", b"x-original-url", b"x-a",
    b"cookie", b"x-goog-key", b"x_goog_key", b"set-cookie", b"x-request-id", b"ratelimit", b"via",
]  # fmt: skip
VALUES = [
    b"", b"1", b"chunked", b"close", b"keep-alive", b"100-continue", b"upgrade", b"websocket", b"a",
    b"momentry_session=1; a=2", b"a=1;momentry_csrf=2;", b"=momentry_session=1", b"\xff\tx", b"7",
    b"x-a, x-momentry-key-id, host", b"authorization, cookie",
]  # fmt: skip


def cased(name: bytes, how: int) -> bytes:
    return (name, name.upper(), name.title())[how]


NAME = st.builds(cased, st.sampled_from(NAMES), st.integers(0, 2))
FIELD = st.builds(lambda name, value: name + b": " + value, NAME, st.sampled_from(VALUES))
FIELDS = st.lists(FIELD, max_size=7).map(lambda lines: b"".join(line + b"\r\n" for line in lines))
PAIR = st.sampled_from([b"a=1", b"k=1", b"%6b=1", b"k", b"a;k=1", b"K=1", b"%256b=1", b"+k=1", b""])
QUERY = st.lists(PAIR, max_size=4).map(b"&".join)
START = st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS"])


@given(START, QUERY, st.sampled_from([b"0", b"1"]), FIELDS)
@EXAMPLES
def test_requests(method: bytes, query: bytes, minor: bytes, fields: bytes) -> None:
    line = method + b" /p?" + query + b" HTTP/1." + minor
    onward.check(line + b"\r\nHost: a\r\n" + fields + b"\r\n")


STATUS = st.sampled_from([100, 101, 103, 200, 204, 205, 206, 304, 404, 429, 502])


@given(st.integers(0, 15), STATUS, st.sampled_from([b"0", b"1"]), FIELDS)
@EXAMPLES
def test_answers(asked: int, status: int, minor: bytes, fields: bytes) -> None:
    line = b"HTTP/1.%b %d Some \xe9 Reason\r\n" % (minor, status)
    answers.check(bytes([asked]) + line + fields + b"\r\n")
