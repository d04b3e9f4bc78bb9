"""What a front asks at /auth/verify, read from its request; no socket, no decision.

nginx, Traefik and Caddy write the method and URI that they were asked for into X-Forwarded-Method
and -Uri. Envoy's ext_authz keeps the method, and puts a prefix of ours before path and query: what
it is set to must stand in the path, for the query there is its client's.
"""

import re
from typing import Final, NamedTuple

from proxy.gateway.head import BadMessage, RequestHead, check_method
from proxy.gateway.paths import PLAIN, SLUG, VERIFY_PREFIX, refuse_ambiguous

NGINX: Final = b"nginx"
ENVOY: Final = b"envoy"
DIALECTS: Final = frozenset((NGINX, b"traefik", b"caddy", ENVOY))
ASKING: Final = frozenset((b"GET", b"HEAD"))
BY_PATH: Final = re.compile(VERIFY_PREFIX + rb"envoy/([^/]++)(/.*+)?", re.DOTALL)
METHOD: Final = re.compile(rb"[A-Z]{1,32}")
VISIBLE: Final = re.compile(rb"[\x21\x22\x24-\x7e]++")  # no blanks, no "#", nothing beyond ASCII
PARAMETERS: Final = {b"dialect", b"upstream"}


class Question(NamedTuple):
    """The front's own client wants ``method`` on ``path``: raw, without query."""

    slug: bytes
    method: bytes
    path: bytes


def read(head: RequestHead, *, is_trusted: bool) -> Question:
    """Raises BadMessage. ``is_trusted``: it comes from one of TRUSTED_PROXIES."""
    if not head.path.startswith(VERIFY_PREFIX) or head.path == VERIFY_PREFIX:
        return read_fields(head, is_trusted=is_trusted)
    found = BY_PATH.fullmatch(head.path)
    if found is None:
        raise BadMessage("bad_request", "The prefix is /auth/verify/envoy/<upstream>.")
    demand(is_trusted)
    slug, path = found.groups()
    return asked(slug, head.method, path or b"/")


def read_fields(head: RequestHead, *, is_trusted: bool) -> Question:
    if head.method not in ASKING:
        raise BadMessage("method_not_allowed", allow="GET, HEAD")
    given = parameters(head)
    if given.get(b"dialect") not in DIALECTS:
        raise BadMessage("bad_request", "dialect is nginx, traefik, caddy or envoy.")
    if b"upstream" not in given:
        raise BadMessage("bad_request", "upstream is required.")
    demand(is_trusted)
    method, uri = only(head, b"x-forwarded-method"), only(head, b"x-forwarded-uri")
    if not METHOD.fullmatch(method):
        raise BadMessage("path_unknown", "X-Forwarded-Method is no method.")
    if not uri.startswith(b"/"):
        raise BadMessage("path_unknown", "X-Forwarded-Uri is no path.")
    if not VISIBLE.fullmatch(uri):
        raise BadMessage("path_refused", "The path has characters that must be escaped.")
    check_method(method)
    return asked(given[b"upstream"], method, uri.partition(b"?")[0])


def asked(slug: bytes, method: bytes, path: bytes) -> Question:
    if not SLUG.fullmatch(slug):
        raise BadMessage("upstream_unknown")
    if not PLAIN.fullmatch(path):
        refuse_ambiguous(path)
    return Question(slug, method, path)


def parameters(head: RequestHead) -> dict[bytes, bytes]:
    """Each once and nothing else: what a client could add would be somebody's question."""
    given = [part.partition(b"=")[::2] for part in (head.query or b"").split(b"&")]
    found = dict(given)
    if len(found) < len(given) or not found.keys() <= PARAMETERS:
        raise BadMessage("bad_request", "The query is dialect=<name>&upstream=<slug>.")
    return found


def demand(is_trusted: bool) -> None:
    if not is_trusted:
        raise BadMessage("path_unknown", "Who asks is none of TRUSTED_PROXIES.")


def only(head: RequestHead, wanted: bytes) -> bytes:
    """Of two one would be the client's."""
    values = [value for name, value in head.headers if name == wanted]
    if len(values) != 1:
        raise BadMessage("path_unknown", f"Exactly one {wanted.decode().title()} is needed.")
    return values[0]


def dialect_of(head: RequestHead) -> bytes:
    """Of what could be read; b"" for none."""
    if head.path.startswith(VERIFY_PREFIX + ENVOY):
        return ENVOY
    try:
        return parameters(head).get(b"dialect", b"")
    except BadMessage:
        return b""
