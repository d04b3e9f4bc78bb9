"""Which field names mean something to the gateway (lower case); no behaviour beyond set tests."""

from functools import lru_cache
from typing import Final

CREDENTIALS: Final = frozenset((b"authorization", b"x-api-key", b"api-key"))

HOP_BY_HOP: Final = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    )
)

# Names a front writes to say who the client is: only ours may leave. Via records a route and stays.
FORWARDING: Final = frozenset(
    (
        b"forwarded",
        b"x-real-ip",
        b"x-rewrite-url",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"true-client-ip",
        b"cf-connecting-ip",
        b"fastly-client-ip",
    )
)

OURS: Final = b"x-momentry-"
PREFIXES: Final = (OURS, b"x-forwarded-", b"x-original-")

# Written anew for every message that leaves.
FRAMING: Final = frozenset((b"host", b"content-length", b"transfer-encoding", b"expect"))

DROPPED_INBOUND: Final = HOP_BY_HOP | FORWARDING | FRAMING
GUARDED: Final = DROPPED_INBOUND | {b"x-request-id", b"x-upstream-request-id"}

# RFC 9110 §6.5.1: never in trailers, whoever sends them.
NOT_IN_TRAILERS: Final = (
    DROPPED_INBOUND
    | CREDENTIALS
    | {
        b"cache-control",
        b"content-encoding",
        b"content-range",
        b"content-type",
        b"cookie",
        b"set-cookie",
        b"max-forwards",
        b"range",
        b"www-authenticate",
        b"x-request-id",
    }
)


REQUEST_ID: Final = b"x-request-id"
LIMITS: Final = b"ratelimit"
TO_CLIENT: Final = HOP_BY_HOP | {b"content-length", REQUEST_ID}  # written anew, or not at all


@lru_cache(maxsize=1024)
def is_plain(name: bytes) -> bool:
    """Does an answer's field of this name mean nothing to us, whatever its value?"""
    meant = name in TO_CLIENT or name == b"set-cookie"
    return not meant and not name.startswith((OURS, LIMITS))


def is_guarded(name: bytes) -> bool:
    """Would a CGI-style upstream read this name as one that the gateway writes or strips?"""
    return name in GUARDED or name.startswith(PREFIXES)
