"""Which names a client may not send on, said a second time: a slip in names.py must not pass."""

CREDENTIALS = {b"authorization", b"x-api-key", b"api-key"}
BETWEEN_HOPS = {
    b"connection",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"http2-settings",
}
FRAMING = {b"host", b"content-length", b"expect"}
FORWARDING = {b"forwarded", b"x-real-ip", b"x-client-ip", b"true-client-ip", b"cf-connecting-ip"}
PREFIXES = (b"x-momentry-", b"x-forwarded-", b"x-original-")


def plain(name: bytes) -> bytes:
    """As CGI and WSGI read it."""
    return name.lower().replace(b"_", b"-")


def is_passing(name: bytes) -> bool:
    """Neither between two hops nor of framing, identity or forwarding."""
    name = plain(name)
    return name not in BETWEEN_HOPS | FRAMING | FORWARDING and not name.startswith(PREFIXES)


def is_ours(name: bytes) -> bool:
    return not is_passing(name) or plain(name) in CREDENTIALS
