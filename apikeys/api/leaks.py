"""POST /integrations/secret-scanning/github: whoever finds keys in public says so, signed as
GitHub's secret scanning signs. Judged by no key: the signature over the raw body is what counts.
"""

import hashlib
import json
import logging
import time
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.http import HttpRequest
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apikeys.api import reference as ref
from apikeys.gate.effects import DatabaseUnavailable, Overloaded
from apikeys.leaks.origins import NotReadAgainError, find_public_key
from apikeys.leaks.settings import Origin
from apikeys.leaks.signature import is_signed
from apikeys.services.leaks import Report, find_key, take_leak
from momentry.common import throttle
from momentry.common.egress.client import PeerError
from momentry.common.errors import MomentryError
from momentry.common.veil import veils

logger = logging.getLogger(__name__)

LARGEST_BODY: Final = 1024 * 1024
LONGEST_TOKEN: Final = 512
LONGEST_TYPE: Final = 100
LONGEST_NAME: Final = 200  # of a public key
# GitHub waits for 30 s. What was done by then stays done, and the rest comes with the repetition.
PATIENCE_SECONDS: Final = 20.0
REAL: Final = "true_positive"
NOT_REAL: Final = "false_positive"
HEADERS: Final = [
    OpenApiParameter(f"Github-Public-Key-{name}", str, OpenApiParameter.HEADER, required=True)
    for name in ("Identifier", "Signature")
]


@veils("token")
class Match(NamedTuple):
    token: str
    type: str
    report: Report


class SecretScanning(APIView):
    authentication_classes: list[type] = []
    permission_classes: list[type] = []

    @extend_schema(
        operation_id="secret_scanning",
        parameters=HEADERS,
        request=inline_serializer(
            "FoundSecret",
            {
                "token": serializers.CharField(max_length=LONGEST_TOKEN),
                "type": serializers.CharField(max_length=LONGEST_TYPE),
                "url": serializers.CharField(required=False, allow_null=True),
                "source": serializers.CharField(required=False),
            },
            many=True,
        ),
        responses={
            200: inline_serializer(
                "SecretFeedback",
                {
                    "token_hash": serializers.RegexField(r"^[0-9a-f]{64}$"),
                    "token_type": serializers.CharField(),
                    "label": serializers.ChoiceField([REAL, NOT_REAL]),
                },
                many=True,
            ),
            **ref.problems(
                "signature_invalid", "not_found", "bad_request", "body_too_large", "overloaded"
            ),
        },
        auth=[],
    )
    def post(self, request: Request) -> Response:
        """Each key found, and whether it is one of ours. Those that are have been quarantined, and
        their owners told, by `LEAK_POLICY`."""
        http = request._request
        origin, name, signature = signer_of(http)
        body = http.body
        if len(body) > LARGEST_BODY:
            raise MomentryError("body_too_large")
        prove_sender(http, origin, name, signature, body)
        end = time.monotonic() + PATIENCE_SECONDS
        return Response([feedback(match, end) for match in matches_in(body, origin.name)])


def signer_of(http: HttpRequest) -> tuple[Origin, str, str]:
    """Who says that it signed, with which key, and how. MomentryError not_found without."""
    for origin in settings.LEAKS.origins:
        name = http.headers.get(f"{origin.name}-public-key-identifier")
        signature = http.headers.get(f"{origin.name}-public-key-signature")
        if name and signature:
            return origin, name[:LONGEST_NAME], signature
    raise MomentryError("not_found")


def prove_sender(http: HttpRequest, origin: Origin, name: str, signature: str, body: bytes) -> None:
    """The failures of an address are counted: what is signed always passes."""
    try:
        key = find_public_key(origin, name)
    except PeerError as error:
        logger.warning("public keys of %s cannot be read: %s", origin.name, error)
        throttle.spend(http, throttle.WEBHOOK_FAILURES, throttle.address_of(http))
        detail = f"The public keys of {origin.name} cannot be read just now."
        raise MomentryError("overloaded", detail, retry_after=60) from None
    except NotReadAgainError as error:
        throttle.spend(http, throttle.WEBHOOK_FAILURES, throttle.address_of(http))
        detail = f"This public key of {origin.name} is not known yet."
        raise MomentryError("overloaded", detail, retry_after=error.retry_after) from None
    if key is None or not is_signed(key, signature, body):
        throttle.spend(http, throttle.WEBHOOK_FAILURES, throttle.address_of(http))
        raise MomentryError("signature_invalid")


def matches_in(body: bytes, origin: str) -> Iterator[Match]:
    """Each token of a type once for each place; entries without a token are left out."""
    try:
        entries = json.loads(body)
    except (ValueError, RecursionError):
        raise MomentryError("bad_request", "The body is not valid JSON.") from None
    if not isinstance(entries, list):
        raise MomentryError("bad_request", "The body must be a list.")
    seen: set[Match] = set()
    for entry in entries:
        match = match_of(entry, origin)
        if match is not None and match not in seen:
            seen.add(match)
            yield match


def match_of(entry: Any, origin: str) -> Match | None:
    if not isinstance(entry, dict):
        return None
    token, kind, url, source = (text_of(entry.get(n)) for n in ("token", "type", "url", "source"))
    if not token or len(token) > LONGEST_TOKEN or len(kind) > LONGEST_TYPE:
        return None
    return Match(token, kind, Report(origin, source, url))


def text_of(value: Any) -> str:
    """What is no text is none; NUL and lone surrogates are in no text of ours."""
    text = value if isinstance(value, str) else ""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def feedback(match: Match, end: float) -> dict[str, str]:
    if time.monotonic() > end:
        raise MomentryError("overloaded", "Not all of it was looked at in time.", retry_after=1)
    try:
        proven = find_key(match.token)
    except DatabaseUnavailable:
        raise MomentryError("database_unavailable") from None
    except Overloaded:
        raise MomentryError("overloaded", retry_after=1) from None
    if proven is not None:
        actor = f"origin:{match.report.origin}"
        take_leak(proven, match.report, secret=match.token, actor=actor)
    return {
        "token_hash": hashlib.sha256(match.token.encode()).hexdigest(),
        "token_type": match.type,
        "label": NOT_REAL if proven is None else REAL,
    }
