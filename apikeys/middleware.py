"""ApiKeyMiddleware: authenticates keys and enforces quotas for the REST API.

Behind the gateway it honours the gateway's signed decision; in front of nothing else (runserver,
the test client, another front) it asks the same gate through the database, counts the same
counters and writes the request log row itself.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from apikeys.gate import decision as decisions
from apikeys.gate.checks import life_refusal
from apikeys.gate.headers import legacy_headers, limit_headers
from apikeys.gate.request import GateRequest, shown_of, weight_of
from apikeys.gate.scopes import is_members
from apikeys.gate.verdict import ADMIN_TOKEN, KEY, Verdict
from apikeys.gate.windows import returned
from apikeys.requestlog.insert import insert_row, touch_key
from apikeys.services import gate
from apikeys.services.admitted import find_admitted
from events import refusals
from momentry.common.access import Access, GatedRequest
from momentry.common.crypto.keyring import get_ring
from momentry.common.errors import MomentryError
from momentry.common.handlers import ProblemResponse, problem_response
from momentry.common.request_id import FROM_GATEWAY

API = "/api/v1/"
OPEN = ("/api/v1/webhooks/",)
DENIED = (401, 403)  # of a key that the gate admitted and Django then refused: not used
SCOPE_KEY = "momentry.decision"
UNLOGGED = {"signature_invalid", "permission_denied", "csrf_failed"}
Response = Callable[[HttpRequest], HttpResponse]


class ApiKeyMiddleware:
    def __init__(self, get_response: Response) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_judged(request.path):
            return self.pass_on(request)
        header = request.headers.get(decisions.HEADER)
        if header is None:
            return self.decide(request)
        try:
            decision = read_decision(request, header)
        except decisions.InvalidDecision:
            return for_gateway(request, problem_response(MomentryError("decision_invalid")))
        return for_gateway(request, self.serve(request, decision.verdict))

    def pass_on(self, request: HttpRequest) -> HttpResponse:
        """What asks for no key. Who is refused all the same is noted here where the gateway has no
        log row of it."""
        response = self.get_response(request)
        is_refused = isinstance(response, ProblemResponse) and response.code in UNLOGGED
        if is_refused and not is_logged(request):
            note_refusal(request, cast("ProblemResponse", response).code)
        return for_gateway(request, response) if FROM_GATEWAY in request.headers else response

    def decide(self, request: HttpRequest) -> HttpResponse:
        """No gateway in front: the gate is asked here, and the row is written here."""
        started = time.monotonic()
        at = timezone.now()
        verdict = gate.judge_request(gate_request(request))
        leaves_at = started + gate.refusal_seconds(verdict.code)
        free = False
        try:
            response = self.serve(request, verdict)
            free = is_free(response)
        finally:
            gate.settle(verdict, free=free)
        if verdict.ok and verdict.key_id and response.status_code not in DENIED:
            touch_key(verdict.key_id, at)
        elapsed = max(leaves_at, time.monotonic()) - started
        insert_row(request, response, verdict, at, elapsed * 1000)
        # Last of all: who did not ask the database for the key pays here for its first statement.
        time.sleep(max(0.0, leaves_at - time.monotonic()))
        return response

    def serve(self, request: HttpRequest, verdict: Verdict) -> HttpResponse:
        if not verdict.ok and verdict.code != "missing_key":
            return answer_refusal(verdict)
        if verdict.key_id and (refusal := attach_key(request, verdict.key_id, verdict)):
            return problem_response(refusal)
        cast("GatedRequest", request).access = access_of(verdict)
        return with_limits(self.get_response(request), verdict)


def is_logged(request: HttpRequest) -> bool:
    """Does the gateway keep a row (proxy.gateway.record)? It goes by the path as it was sent."""
    sent = getattr(request, "scope", {}).get("raw_path") or request.path.encode()
    return FROM_GATEWAY in request.headers and bytes(sent).startswith(API.encode())


def note_refusal(request: HttpRequest, code: str) -> None:
    address = str(request.META.get("REMOTE_ADDR", ""))
    # Only staff have sessions; this one is read only now. Views without users leave None.
    refusals.note(code, address=address, staff=getattr(request.user, "pk", None))


def is_judged(path: str) -> bool:
    return (path.startswith(API) and not path.startswith(OPEN)) or path == "/metrics"


def read_decision(request: HttpRequest, header: str) -> decisions.Decision:
    """Verified when the head arrived (momentry.asgi): a slow body must not make it stale."""
    scope = getattr(request, "scope", {})
    found = scope.get(SCOPE_KEY)
    if isinstance(found, decisions.Decision):
        decision = found
    elif found is not None:
        raise decisions.InvalidDecision
    else:
        decision = verify(header, request.method or "", request.get_full_path())
    if decision.client != request.META["REMOTE_ADDR"]:  # what the gateway sent as forwarded-for
        raise decisions.InvalidDecision
    return decision


def verify(header: str, method: str, target: str) -> decisions.Decision:
    """Raises InvalidDecision unless one of the ring's keys signed it for this request."""
    for key in get_ring().derive_all(decisions.PURPOSE):
        try:
            return decisions.verify(header, key, method=method, target=target, now=time.time())
        except decisions.InvalidDecision:
            continue
    raise decisions.InvalidDecision


def gate_request(request: HttpRequest) -> GateRequest:
    return GateRequest(
        raw_headers(request),
        method=request.method or "",
        path=request.path,
        client=request.META.get("REMOTE_ADDR", ""),
        weight=weight_of(request.path),
        hold=shown_of(request.path),
    )


def raw_headers(request: HttpRequest) -> list[tuple[bytes, bytes]]:
    """As received under ASGI; from META otherwise, where duplicates were joined by commas."""
    scope = getattr(request, "scope", None)
    if scope is not None:
        return [(bytes(name), bytes(value)) for name, value in scope["headers"]]
    return [
        (name.lower().encode("latin-1"), value.encode("latin-1", "replace"))
        for name, value in request.headers.items()
    ]


def attach_key(request: HttpRequest, key_id: UUID, verdict: Verdict) -> MomentryError | None:
    """Read the key's row once; refuse what was narrowed since the gate decided."""
    key = find_admitted(key_id)
    if key is None:
        return MomentryError("invalid_key")
    refusal = life_refusal(key, datetime.now(UTC))
    if refusal is not None:
        return MomentryError(refusal.code)
    if key.owner is not None and not key.owner.is_active:
        return MomentryError("member_suspended")
    gated = cast("GatedRequest", request)
    gated.api_key, gated.member, gated.limits = key, key.owner, verdict.limits
    return None


def access_of(verdict: Verdict) -> Access:
    if verdict.actor == ADMIN_TOKEN:
        return Access(actor=ADMIN_TOKEN)
    if verdict.actor == KEY and verdict.key_id is not None:
        return Access(f"key:{verdict.key_id.hex}", verdict.scopes, is_members(verdict.key_type))
    return Access()


def answer_refusal(verdict: Verdict) -> HttpResponse:
    error = MomentryError(verdict.code, verdict.detail or None, **verdict.extra)
    return with_limits(problem_response(error), verdict)


def with_limits(response: HttpResponse, verdict: Verdict) -> HttpResponse:
    """What is left, once that went back which goes back with this answer."""
    now, limits = verdict.at or datetime.now(UTC), verdict.limits
    if is_free(response):
        limits = returned(limits, verdict.entry, verdict.charges)
    storage = getattr(response, "storage", ())  # of apikeys.api.storage
    for name, value in limit_headers(limits + storage, now) + legacy_headers(limits, now):
        response.headers.setdefault(name.decode(), value.decode())
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def is_free(response: HttpResponse) -> bool:
    return response.status_code == 403


def for_gateway(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """What the gateway needs for its log row and the ledger; it strips these outwards."""
    if is_free(response):
        response.headers["X-Momentry-Charge"] = "0"
    if request.resolver_match is not None:
        response.headers["X-Momentry-Operation"] = request.resolver_match.route[:100]
    if isinstance(response, ProblemResponse):
        response.headers["X-Momentry-Code"] = response.code
    return response
