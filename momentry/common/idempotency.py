"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07): one effect, one stored answer."""

import hashlib
import hmac
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from momentry.common.access import Access
from momentry.common.crypto.keyring import get_ring
from momentry.common.errors import MomentryError
from momentry.common.models import IdempotencyRecord

HEADER: Final = "Idempotency-Key"
MAX_LENGTH: Final = 200
KEPT: Final = timedelta(hours=24)
SECRETS: Final = ("api_key", "claim_url", "secret")
PURPOSE: Final = "idempotency fingerprint"


def run_once(request: Request, *, route: str, effect: Callable[[], Response]) -> Response:
    """Run ``effect`` once per (actor, route, key); later calls get its stored answer.

    The record is written in the effect's transaction. 409 while the first call runs, 422 when the
    key comes with another request. Secrets are not stored: a replay says they were delivered.
    """
    key = request.headers.get(HEADER, "").strip().strip('"')
    if not key:
        with transaction.atomic():
            return effect()
    if len(key) > MAX_LENGTH or not key.isprintable():
        raise MomentryError("bad_request", f"{HEADER} must be at most {MAX_LENGTH} characters.")
    actor = actor_of(request)
    mark = mark_of(actor, route, key)
    place = {"actor": actor, "route": route, "key": mark.hex()}
    with transaction.atomic():
        lock(mark)
        records = IdempotencyRecord.objects.filter(**place)
        records.filter(created_at__lte=timezone.now() - KEPT).delete()
        record = records.first()
        if record is not None:
            return replay(record, request)
        response = effect()
        IdempotencyRecord.objects.create(
            **place,
            fingerprint=fingerprint(request, get_ring().derive(PURPOSE)),
            status=response.status_code,
            body=without_secrets(response.data),
        )
    return response


def actor_of(request: Request) -> str:
    return request.auth.actor if isinstance(request.auth, Access) else ""


def mark_of(*place: str) -> bytes:
    """What is stored of the key: clients have put credentials there."""
    return hashlib.sha256("\0".join(place).encode()).digest()


def lock(mark: bytes) -> None:
    """Held to the end of the transaction; 64 bits name it."""
    number = int.from_bytes(mark[:8], "big", signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        (won,) = cursor.fetchone() or (False,)
    if not won:
        raise MomentryError("idempotency_in_progress", retry_after=1)


def fingerprint(request: Request, key: bytes) -> str:
    """A body may carry a password: without the ring nobody can try which one it was."""
    http = request._request
    text = f"{http.method} {http.get_full_path()}\n".encode() + http.body
    return hmac.new(key, text, hashlib.sha256).hexdigest()


def replay(record: IdempotencyRecord, request: Request) -> Response:
    """The ring may have got a newer key since the first call."""
    marks = {fingerprint(request, key) for key in get_ring().derive_all(PURPOSE)}
    if record.fingerprint not in marks:
        raise MomentryError("idempotency_mismatch")
    return Response(record.body, status=record.status, headers={"Idempotency-Replayed": "true"})


def without_secrets(body: Any) -> Any:
    """What is kept of an answer: delivered secrets are nulled, and said to be delivered. Lists of
    a batch are looked through; objects inside (such as metadata) are the client's own."""
    if isinstance(body, list):
        return [without_secrets(item) for item in body]
    if not isinstance(body, dict):
        return body
    kept = {name: kept_of(name, value) for name, value in body.items()}
    if any(body.get(name) for name in SECRETS):
        kept["secret_status"] = "delivered"  # noqa: S105  says that there was a secret
    return kept


def kept_of(name: str, value: Any) -> Any:
    if name in SECRETS:
        return None
    return without_secrets(value) if isinstance(value, list) else value
