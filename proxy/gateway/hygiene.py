"""Heads as they leave: to an upstream, to Django, to the client; bytes only, no decisions."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from proxy.gateway.clients import Client
from proxy.gateway.destinations import Destination
from proxy.gateway.head import UNDERSCORE, Fields, RequestHead
from proxy.gateway.injection import NONE, Injection, inject_query
from proxy.gateway.names import (
    CREDENTIALS,
    DROPPED_INBOUND,
    HOP_BY_HOP,
    LIMITS,
    NOT_IN_TRAILERS,
    OURS,
    PREFIXES,
    REQUEST_ID,
    TO_CLIENT,
    is_guarded,
)
from proxy.gateway.response import ResponseHead

TO_UPSTREAM: Final = DROPPED_INBOUND | CREDENTIALS
REQUEST_ID_FIELD: Final = b"X-Momentry-Request-Id: "
OUR_COOKIES: Final = b"momentry_"  # what Django's own are called, see momentry.settings
# A browser sends back the value alone of a cookie without a name, and Django strips these blanks.
NAMELESS: Final = b"= \t\x85\xa0"

Parts = list[bytes]


@dataclass
class Caller:
    """Who asks, as the upstream is told. Empty ids are not sent."""

    request_id: bytes
    client: Client
    user_id: bytes = b""
    key_id: bytes = b""


class Framing(Enum):
    """How the body goes to the client."""

    NONE = "none"
    LENGTH = "length"
    CHUNKED = "chunked"
    CLOSE = "close"  # HTTP/1.0 and no known length: the end is the end of the connection


# Enum makes each look-up of a member a call.
UNFRAMED: Final = Framing.NONE
SIZED: Final = Framing.LENGTH
CHUNKED: Final = Framing.CHUNKED
CLOSED: Final = Framing.CLOSE


def to_upstream(head: RequestHead, rest: bytes, destination: Destination, caller: Caller) -> bytes:
    """The head of the forwarded request; ``rest`` is Route.rest, the query is the client's."""
    parts = upstream_fields(head, rest, destination, caller)
    parts += (caller.request_id, forwarding_fields(caller.client), framing_of(head))
    return b"".join(parts)


def upstream_fields(
    head: RequestHead, rest: bytes, destination: Destination, caller: Caller
) -> Parts:
    """All of it that comes before the request id: the same for the same request again."""
    injection = destination.injection
    query = inject_query(head.query, injection)
    parts = [head.method, b" ", destination.prefix, rest]
    if query is not None:
        parts += (b"?", query)
    parts += (b" HTTP/1.1\r\nHost: ", destination.host, b"\r\n")
    # Names that Connection nominates go too. What we add is written afterwards and is out of reach.
    dropped = TO_UPSTREAM | head.nominated if head.nominated else TO_UPSTREAM
    own, rules = injection.field, destination.asked
    for name, value in head.headers if rules is None else rules.kept(head.headers):
        if name in dropped or name.startswith(PREFIXES) or (own and is_alias(name, own)):
            continue
        if name == b"cookie" and OUR_COOKIES in value:
            value = foreign_cookies(value)  # noqa: PLW2901  the field as it goes on
        parts += (name, b": ", value, b"\r\n")
    parts.append(injection.line)
    if rules is not None:
        parts.append(rules.lines)
    if caller.user_id:
        parts += (b"X-Momentry-User-Id: ", caller.user_id, b"\r\n")
    if caller.key_id:
        parts += (b"X-Momentry-Key-Id: ", caller.key_id, b"\r\n")
    parts.append(REQUEST_ID_FIELD)
    return parts


def foreign_cookies(value: bytes) -> bytes:
    """Without the cookies of a staff session here: an upstream must not see those."""
    pairs = (pair.strip() for pair in value.split(b";"))
    return b"; ".join(pair for pair in pairs if not pair.startswith(OUR_COOKIES))


def to_django(
    head: RequestHead,
    caller: Caller,
    *,
    judged: bytes = b"",
    decision: bytes = b"",
) -> bytes:
    """The head for Django: its own path untouched, and of the credentials only the judged gone."""
    parts = [head.method, b" ", head.target, b" HTTP/1.1\r\nHost: "]
    parts += (head.host or b"localhost", b"\r\n")
    dropped = DROPPED_INBOUND | head.nominated if head.nominated else DROPPED_INBOUND
    for name, value in head.headers:
        if name in dropped or name == judged or name.startswith(PREFIXES):
            continue
        parts += (name, b": ", value, b"\r\n")
    if decision:
        parts += (b"X-Momentry-Decision: ", decision, b"\r\n")
    parts += (REQUEST_ID_FIELD, caller.request_id, forwarding_fields(caller.client))
    parts.append(framing_of(head))
    return b"".join(parts)


def is_alias(name: bytes, own: bytes) -> bool:
    """Is this the field that carries the upstream's credential, or its CGI double?"""
    return name == own or (UNDERSCORE in name and name.replace(b"_", b"-") == own)


def forwarding_fields(client: Client) -> bytes:
    """What follows the request id, up to the framing."""
    parts = [b"\r\nX-Forwarded-For: ", client.address.encode()]
    parts += (b"\r\nX-Forwarded-Proto: ", client.scheme)
    if client.host:
        parts += (b"\r\nX-Forwarded-Host: ", client.host)
    parts.append(b"\r\n")
    return b"".join(parts)


def framing_of(head: RequestHead) -> bytes:
    """The framing field and the empty line."""
    if head.chunked:
        return b"Transfer-Encoding: chunked\r\n\r\n"
    if head.content_length is not None:
        return b"Content-Length: %d\r\n\r\n" % head.content_length
    return b"\r\n"


def client_framing(response: ResponseHead, version: int) -> Framing:
    """``version`` is the client's."""
    if response.bodiless:
        return UNFRAMED
    if response.content_length is not None:
        return SIZED
    return CHUNKED if version == 11 else CLOSED


def to_client(
    response: ResponseHead,
    *,
    version: int,
    request_id: bytes,
    limits: bytes = b"",
    close: bool = False,
    foreign: bool = False,
) -> bytes:
    """The head of a relayed answer. With Framing.CLOSE the connection closes, asked or not.

    ``limits`` are the RateLimit fields, sent only when the upstream has none of its own;
    ``foreign``: not from Django, so it must not set a cookie of ours.
    """
    parts = [response.line]
    if relay_fields(parts, response, request_id, foreign=foreign):
        parts.append(limits)
    parts += (b"X-Request-ID: ", request_id, b"\r\n")
    frame_answer(parts, response, version, close=close)
    return b"".join(parts)


def frame_answer(parts: Parts, response: ResponseHead, version: int, *, close: bool) -> None:
    """Framing, what becomes of the connection, and the empty line."""
    framing = client_framing(response, version)
    if framing is CHUNKED:
        parts.append(b"Transfer-Encoding: chunked\r\n")
    elif response.content_length is not None:
        parts.append(b"Content-Length: %d\r\n" % response.content_length)
    if close or framing is CLOSED:
        parts.append(b"Connection: close\r\n")
    elif version == 10:
        parts.append(b"Connection: keep-alive\r\n")
    parts.append(b"\r\n")


def relay_fields(parts: Parts, response: ResponseHead, request_id: bytes, *, foreign: bool) -> bool:
    """The answer's own fields in their order; True when none of them is a RateLimit field."""
    nominated, unlimited = response.nominated - HOP_BY_HOP, True  # these go anyway
    for (name, value), line, _ in response.lines:
        if nominated and name in nominated:
            continue
        if line is not None:
            parts.append(line)
        elif name == REQUEST_ID:
            if value != request_id:
                parts += (b"X-Upstream-Request-ID: ", value, b"\r\n")
        elif name.startswith(LIMITS) or may_set(value, foreign):
            unlimited = unlimited and not name.startswith(LIMITS)
            parts += (name, b": ", value, b"\r\n")
    return unlimited


def may_set(cookie: bytes, foreign: bool) -> bool:
    """Only Django may set a cookie of ours."""
    return not (foreign and cookie.lstrip(NAMELESS).startswith(OUR_COOKIES))


def interim_to_client(response: ResponseHead) -> bytes:
    """A 1xx answer other than 100 and 101, such as Early Hints; never to an HTTP/1.0 client."""
    parts = [response.line]
    dropped = TO_CLIENT | response.nominated
    for name, value in response.headers:
        if name not in dropped and name != b"set-cookie" and not name.startswith(OURS):
            parts += (name, b": ", value, b"\r\n")
    parts.append(b"\r\n")
    return b"".join(parts)


def trailers_to_upstream(trailers: Fields, injection: Injection = NONE) -> Fields:
    """What may follow a request's body; towards Django nothing does."""
    own = injection.field
    return [field for field in safe_trailers(trailers) if not (own and is_alias(field[0], own))]


def trailers_to_client(trailers: Fields) -> Fields:
    return safe_trailers(trailers)


def safe_trailers(trailers: Fields) -> Fields:
    """Never merged into a head, and nothing that would mean something there (RFC 9110 §6.5.1)."""
    return [(name, value) for name, value in trailers if not is_barred(name.replace(b"_", b"-"))]


def is_barred(name: bytes) -> bool:
    return name in NOT_IN_TRAILERS or is_guarded(name)
