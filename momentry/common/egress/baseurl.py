"""The base URL of an upstream, or a webhook's URL, as whoever saves or configures one writes it.
Pure."""

from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

from momentry.common.egress.hosts import BadHostError, check_host
from momentry.common.egress.networks import Network
from momentry.common.egress.rules import Kind


def fault_of(text: str, listed: Sequence[Network] = (), *, kind: Kind = Kind.SERVICE) -> str:
    """Why ``text`` is none, as one sentence; "" when it is ``http(s)://host[:port][/path]``: bare
    container names pass; user, query, fragment do not, nor an address that nobody would dial for
    this. A webhook's may have a query. ``listed``: networks of EGRESS_ALLOW."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return "This is not a URL."
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return "Enter an address that begins with http:// or https:// and a host."
    if why := superfluous(parts, kind):
        return why
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        return "Printable ASCII without spaces or backslashes only."
    if "[" in parts.netloc and ":" not in parts.hostname:  # IPvFuture, RFC 3986 §3.2.2
        return "Only an IPv6 address stands in brackets."
    try:
        check_host(parts.hostname, kind, listed)
    except BadHostError as error:
        return str(error)
    return ""


def superfluous(parts: SplitResult, kind: Kind) -> str:
    if kind is Kind.WEBHOOK:
        has_more = "@" in parts.netloc or bool(parts.fragment)
        return "No user or fragment in the address." if has_more else ""
    if "@" in parts.netloc or parts.query or parts.fragment:
        return "No user, query or fragment in the address."
    return ""
