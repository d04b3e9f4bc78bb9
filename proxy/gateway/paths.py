"""Which door a path leads to (DESIGN §1), and which paths two readers could read differently."""

import re
from enum import Enum
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from proxy.gateway.head import BadMessage, RequestHead

MAX_DECODINGS: Final = 5
MAX_NESTED: Final = 1000  # escapes inside escapes; each level of a full head costs 2 ms
PERCENT: Final = 0x25


class Kind(Enum):
    __hash__ = object.__hash__  # there is one of each; Enum's own is a call of a Python function

    PROXY = "proxy"  # /proxy/<slug>/<rest>: a key is demanded
    V1 = "v1"  # /v1/<rest> of the upstream that serves it; without one: upstream_unknown
    VERIFY = "verify"  # /auth/verify and what is below: a key is demanded
    KEYS_VERIFY = "keys-verify"  # POST /api/v1/keys/verify: a key is demanded
    HEALTH = "health"
    READY = "ready"
    METRICS = "metrics"
    API = "api"  # /api/v1/…: a credential that is present is judged
    OPEN = "open"  # Django's own, untouched


class Route(NamedTuple):
    kind: Kind
    slug: bytes = b""
    rest: bytes = b""  # raw path inside the upstream, starts with "/"; only for PROXY and V1


EXACT: Final = {
    b"/healthz": Route(Kind.HEALTH),
    b"/readyz": Route(Kind.READY),
    b"/metrics": Route(Kind.METRICS),
    b"/auth/verify": Route(Kind.VERIFY),
    b"/auth/verify/": Route(Kind.VERIFY),
    b"/api/v1/keys/verify": Route(Kind.KEYS_VERIFY),
    b"/api/v1/keys/verify/": Route(Kind.KEYS_VERIFY),
    b"/api/v1": Route(Kind.API),
}
API: Final = EXACT[b"/api/v1"]
V1: Final = Route(Kind.V1)
VERIFY: Final = EXACT[b"/auth/verify"]
VERIFY_PREFIX: Final = b"/auth/verify/"  # and what Envoy was asked for
OPEN: Final = Route(Kind.OPEN)

SLUG: Final = re.compile(rb"[a-z0-9][a-z0-9-]{0,59}")
PROXIED: Final = re.compile(rb"/proxy/([a-z0-9][a-z0-9-]{0,59})(/.*+)?", re.DOTALL)
SLUG_LIKE: Final = re.compile(rb"/proxy/?|/proxy/[A-Za-z0-9_-]++(?:/.*+)?", re.DOTALL)
# Nearly every real path; nothing in it can be read in two ways.
PLAIN: Final = re.compile(rb"(?:/[A-Za-z0-9_~!$&'()*+,=:@-][A-Za-z0-9._~!$&'()*+,=:@-]*+)*+/?")

ESCAPE: Final = re.compile(rb"%[0-9A-Fa-f]{2}")
BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
PARAMS: Final = re.compile(rb";[^/]*+")
# Controls, backslash, and the UTF-8 forms that are longer than they need be: old decoders read
# C0 AE as a dot and C0 AF as a slash.
DANGEROUS: Final = re.compile(
    rb"[\x00-\x1f\x7f\\]|[\xc0\xc1][\x80-\xbf]|\xe0[\x80-\x9f][\x80-\xbf]"
    rb"|(?:\xf0[\x80-\x8f]|\xf8[\x80-\x87][\x80-\xbf]|\xfc[\x80-\x83][\x80-\xbf]{2})[\x80-\xbf]{2}"
)
DOTS: Final = re.compile(rb"/\.\.?+\x20*+(?:[/?#]|\Z)")


def classify(head: RequestHead) -> Route:
    """Raises BadMessage: path_refused, or upstream_unknown for what is no slug.

    Django's paths are told apart in the form Django will see them, percent-decoded once; what
    goes to an upstream is only ever recognised and passed on in its raw form.
    """
    path = head.path
    if path.startswith(b"/proxy/"):
        return proxied(path)
    decoded = unquote_to_bytes(path) if PERCENT in path else path
    if decoded.startswith(b"/proxy/") or decoded == b"/proxy":
        raise refusal(path)
    if found := EXACT.get(decoded):
        return found
    if decoded.startswith(b"/api/v1/"):
        return OPEN if decoded.startswith(b"/api/v1/webhooks/") else API
    if decoded.startswith(VERIFY_PREFIX):
        return verified(path)
    return at_v1(path) if decoded.startswith(b"/v1/") or decoded == b"/v1" else OPEN


def at_v1(path: bytes) -> Route:
    """Which upstream serves it is the table's matter (admission.py)."""
    if path != b"/v1" and not path.startswith(b"/v1/"):
        raise BadMessage("path_refused", "/v1 must be written plainly.")
    if not PLAIN.fullmatch(path):
        refuse_ambiguous(path)
    return V1._replace(rest=path)


def verified(path: bytes) -> Route:
    if not path.startswith(VERIFY_PREFIX):
        raise BadMessage("path_refused", "The prefix must be written plainly.")
    return VERIFY


def proxied(path: bytes) -> Route:
    found = PROXIED.fullmatch(path)
    if found is None:
        raise refusal(path)
    slug, rest = found.groups()
    if rest is None:
        return Route(Kind.PROXY, slug, b"/")
    if not PLAIN.fullmatch(rest):
        refuse_ambiguous(rest)
    return Route(Kind.PROXY, slug, rest)


def slug_of(path: bytes) -> bytes:
    """The upstream that a path names, be the rest of it refused or not; b"" for none."""
    found = PROXIED.fullmatch(path)
    return found[1] if found else b""


def refusal(path: bytes) -> BadMessage:
    if SLUG_LIKE.fullmatch(path):
        return BadMessage("upstream_unknown")
    return BadMessage("path_refused", "The upstream's name must be written plainly.")


def refuse_ambiguous(rest: bytes) -> None:
    """Refuse what an upstream could resolve to another path, after however many decodings.

    Only looked at: what passes is forwarded byte for byte. Escapes such as %2F and %20 pass.
    """
    if BAD_ESCAPE.search(rest):
        raise BadMessage("path_refused", "The path has a malformed escape.")
    seen = rest
    for depth in range(MAX_DECODINGS + 1):
        refuse_reading(seen)
        if not ESCAPE.search(seen):
            return
        if depth and seen.count(b"%") > MAX_NESTED:
            break
        seen = unquote_to_bytes(seen)
    raise BadMessage("path_refused", "The path is encoded too many times.")


def refuse_reading(seen: bytes) -> None:
    plain = PARAMS.sub(b"", seen) if b";" in seen else seen
    if DANGEROUS.search(seen) or DOTS.search(plain) or b"//" in plain:
        raise BadMessage("path_refused", "The path can be read in more than one way.")
