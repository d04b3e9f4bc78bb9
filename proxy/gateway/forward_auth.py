"""/auth/verify: a front asks whether its own client's request may pass (docs/forward-auth.md)."""

from typing import TYPE_CHECKING, Final

from apikeys.gate.forwarded import peer_address
from apikeys.gate.holds import LEFT
from apikeys.gate.request import GateRequest, Named
from apikeys.requestlog.row import PATH_LENGTH
from momentry.common.ownkeys import without_keys
from proxy.gateway.answers import Answer, lines_of
from proxy.gateway.asking import is_metered
from proxy.gateway.fronts import NGINX, Question, dialect_of, read
from proxy.gateway.head import METHODS, BadMessage
from proxy.gateway.paths import Kind, Route
from proxy.gateway.record import user_agent

if TYPE_CHECKING:
    from apikeys.gate.verdict import Verdict
    from proxy.gateway.exchange import Exchange

VERIFY: Final = Kind.VERIFY
OPERATION: Final = "auth_verify"
PATH: Final = "/auth/verify"  # whatever the front was asked for: ADMIN_TOKEN opens nothing here
KNOWN_TO_NGINX: Final = frozenset((401, 403, 500, 503))  # auth_request makes 500 of all others


def gate_request(exchange: "Exchange") -> GateRequest:
    """Of the method and path that the front was asked for. Where these cannot be known only the
    key is judged, so that who has none learns nothing more than that."""
    exchange.operation = OPERATION
    head, client = exchange.head, exchange.who.address
    try:
        question = question_of(exchange)
    except BadMessage:
        return GateRequest(head.headers, method="GET", path=PATH, client=client, weight=0)
    slug, method, path = question
    exchange.route = Route(VERIFY, slug, path)
    shown = without_keys(path[:PATH_LENGTH].decode("latin-1"))
    exchange.texts = METHODS[method], shown, slug.decode(), user_agent(exchange)
    upstream = exchange.core.table.get(slug)
    return GateRequest(
        head.headers,
        method=METHODS[method],
        path=PATH,
        client=client,
        upstream=slug.decode(),
        rest=path.decode("latin-1"),
        weight=upstream.request_weight if upstream else 1,
        hold=LEFT if is_metered(upstream, method) else None,
        models=unseen,
    )


def unseen() -> Named:
    """Its body passes by elsewhere: it may name any model (decision 017)."""
    return (), True


def question_of(exchange: "Exchange") -> Question:
    peer = peer_address(exchange.client.peer)
    return read(exchange.head, is_trusted=peer in exchange.core.settings.trusted)


def allow(exchange: "Exchange") -> None:
    """The gate has said yes."""
    table = exchange.core.table
    if not exchange.route.slug:
        tell_fault(exchange)
    elif table.get(exchange.route.slug) is None:
        exchange.fail("upstream_unknown" if table.version else "not_ready")
    elif exchange.verdict is not None:
        exchange.answer(Answer(200, lines_of(200, identity(exchange.verdict)), b""))


def tell_fault(exchange: "Exchange") -> None:
    try:
        question_of(exchange)
    except BadMessage as error:
        exchange.fail(error.code, error.detail, **error.extra)


def identity(verdict: "Verdict") -> list[tuple[str, str]]:
    """All four, also where one is empty: what a client sent under these names is overwritten by
    fronts that forget to strip it."""
    return [
        ("Cache-Control", "no-store"),
        ("X-Momentry-User-Id", str(verdict.member_id or "")),
        ("X-Momentry-Key-Id", str(verdict.key_id or "")),
        ("X-Momentry-Scopes", " ".join(sorted(verdict.scopes))),
        ("X-Momentry-Tier", verdict.tier),
    ]


def dress(exchange: "Exchange", answer: Answer) -> None:
    """A refusal, as the front can take it."""
    if dialect_of(exchange.head) != NGINX:
        return
    status, fields = answer.lines.split(b"\r\n", 1)
    if answer.status not in KNOWN_TO_NGINX:
        status = lines_of(403, []).removesuffix(b"\r\n")
    told = f"X-Momentry-Reason: {answer.code}\r\nX-Momentry-Status: {answer.status}\r\n"
    answer.lines = b"%b\r\n%b%b" % (status, fields, told.encode())
