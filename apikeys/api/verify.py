"""POST /api/v1/keys/verify without a gateway in front; with one, the gateway answers it itself."""

import time
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apikeys.gate.checks import NOT_FOR_MEMBERS
from apikeys.gate.effects import DatabaseUnavailable, Overloaded
from apikeys.gate.holds import MAX_HELD
from apikeys.gate.question import MAX_COST, MAX_KEY, MAX_MODEL, MAX_PATH, BadQuestion, read
from apikeys.gate.sealed import PURPOSE
from apikeys.requestlog.insert import touch_key
from apikeys.services.gate import hold_back, inspect_key
from momentry.common.access import access_of
from momentry.common.crypto.keyring import get_ring
from momentry.common.errors import MomentryError

SCOPE = "keys:verify"
KEY = "muser_0f1e2d3c4b5a49788695a4b3c2d1e0f0_tmq8k0_…"
OWNER = {"id": "0193a1c8-0000-7000-8000-000000000001", "username": "alice"}
LIMIT = {
    "name": "monthly", "unit": "requests", "is_rate_limited": True, "limit": 10000,
    "remaining": 9321, "reset_at": "2026-12-01T00:00:00+00:00",
}  # fmt: skip
BUDGET = {**LIMIT, "name": "tokens-monthly", "unit": "tokens", "limit": 5000000}
HOLD = "h1.eyJpZCI6IjAxOTNhMWM4ZjBhNzRjOGU5ZDBiN2QxZjJjM2E0YjVlIn0=.c2lnbmF0dXJl"
VALID = {
    "valid": True, "code": None, "detail": None, "key_id": "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0",
    "owner": OWNER, "key_type": "user", "role": None, "scopes": ["proxy:use"], "metadata": {},
    "tier": "starter", "limits": [LIMIT],
}  # fmt: skip
UNKNOWN: dict[str, Any] = {
    **dict.fromkeys(VALID),
    "valid": False, "code": "invalid_key", "detail": "The API key is not valid.", "limits": [],
}  # fmt: skip
CHECK = {"number": 2, "check": "address", "outcome": "passed", "code": None, "remedy": None}
FAILED = {
    "number": 3, "check": "secret", "outcome": "failed", "code": "invalid_key",
    "remedy": "Send the key exactly as it was issued, or issue a new one.",
}  # fmt: skip
EXAMPLES = [
    OpenApiExample(
        "May this key make this call?",
        {"key": KEY, "upstream": "llm", "method": "POST", "path": "/v1/chat/completions"},
        request_only=True,
    ),
    OpenApiExample("Look only", {"key": KEY, "dry_run": True, "explain": True}, request_only=True),
    OpenApiExample(
        "Hold what the call may cost",
        {"key": KEY, "upstream": "llm", "tokens": 1500, "cost_micro": 7500},
        request_only=True,
    ),
    OpenApiExample("It may", VALID, response_only=True),
    OpenApiExample("Held", {**VALID, "limits": [LIMIT, BUDGET], "hold": HOLD}, response_only=True),
    OpenApiExample("No such key", {**UNKNOWN, "checks": [CHECK, FAILED]}, response_only=True),
]


class QuestionSerializer(serializers.Serializer[object]):
    """Described here; read by apikeys.gate.question, as the gateway does."""

    key = serializers.CharField(max_length=MAX_KEY)
    upstream = serializers.SlugField(max_length=60, required=False)
    method = serializers.CharField(max_length=16, required=False, default="GET")
    path = serializers.CharField(max_length=MAX_PATH, required=False, default="/")
    ip = serializers.IPAddressField(required=False, help_text="Whom the key came from.")
    cost = serializers.IntegerField(min_value=0, max_value=MAX_COST, required=False, default=1)
    model = serializers.CharField(
        max_length=MAX_MODEL, required=False, help_text="Judged when upstream is given."
    )
    dry_run = serializers.BooleanField(required=False, default=False)
    explain = serializers.BooleanField(required=False, default=False)
    tokens = serializers.IntegerField(
        min_value=0, max_value=MAX_HELD, required=False, help_text="Held until keys/settle."
    )
    cost_micro = serializers.IntegerField(
        min_value=0,
        max_value=MAX_HELD,
        required=False,
        help_text="Millionths of the currency, held until keys/settle.",
    )


class VerifiedLimitSerializer(serializers.Serializer[object]):
    name = serializers.CharField()
    unit = serializers.CharField()
    is_rate_limited = serializers.BooleanField(help_text="False: unlimited, the rest is null.")
    limit = serializers.IntegerField(allow_null=True)
    remaining = serializers.IntegerField(allow_null=True)
    reset_at = serializers.DateTimeField(allow_null=True)


class VerifiedOwnerSerializer(serializers.Serializer[object]):
    id = serializers.UUIDField()
    username = serializers.CharField()


class CheckSerializer(serializers.Serializer[object]):
    number = serializers.IntegerField()
    check = serializers.CharField()
    outcome = serializers.ChoiceField(choices=["passed", "failed", "not_reached"])
    code = serializers.CharField(allow_null=True)
    remedy = serializers.CharField(allow_null=True, help_text="What would have to change.")


class ReportSerializer(serializers.Serializer[object]):
    valid = serializers.BooleanField()
    code = serializers.CharField(allow_null=True, help_text="A code of the errors page.")
    detail = serializers.CharField(allow_null=True)
    key_id = serializers.UUIDField(allow_null=True)
    owner = VerifiedOwnerSerializer(allow_null=True)
    key_type = serializers.CharField(allow_null=True)
    role = serializers.CharField(allow_null=True)
    scopes = serializers.ListField(child=serializers.CharField(), allow_null=True)
    metadata = serializers.DictField(allow_null=True)
    tier = serializers.CharField(allow_null=True)
    limits = VerifiedLimitSerializer(many=True)
    checks = CheckSerializer(many=True, required=False)
    hold = serializers.CharField(
        allow_null=True, required=False, help_text="For keys/settle, within an hour."
    )


class KeyVerification(APIView):
    """Is this key good, for this call, now?"""

    scopes = {"POST": SCOPE}

    @extend_schema(
        operation_id="keys_verify",
        request=QuestionSerializer,
        responses=ReportSerializer,
        examples=EXAMPLES,
    )
    def post(self, request: Request) -> Response:
        """Judge a key and charge it ``cost`` units (nothing with ``dry_run``). Always 200 when the
        question could be read: ``valid`` and ``code`` say the rest. With ``tokens`` or
        ``cost_micro`` (what the call may cost at most) budgets are held too, and the answer has a
        ``hold`` for keys/settle; without, a used-up budget refuses where the call may use of it.
        Service and admin keys only; the caller pays nothing."""
        refuse_members(request)
        http = request._request
        began = time.monotonic()
        try:
            question = read(http.headers.get("Content-Type", ""), http.body)
            found = inspect_key(question)
        except BadQuestion as error:
            raise MomentryError(error.code, error.detail or None, **error.extra) from None
        except DatabaseUnavailable:
            raise MomentryError("database_unavailable") from None
        except Overloaded:
            raise MomentryError("overloaded") from None
        hold_back(found, began)
        key_id = found.verdict.key_id
        if found.ok and key_id is not None and not question.dry_run:
            touch_key(key_id, timezone.now())
        found = found.sealed(access_of(http).actor, get_ring().derive(PURPOSE))
        return Response(found.document, headers={"Cache-Control": "no-store"})


def refuse_members(request: Request) -> None:
    """Whatever scopes a member's key holds."""
    if access_of(request._request).is_member_key and SCOPE in NOT_FOR_MEMBERS:
        raise MomentryError("insufficient_scope", f"This needs the scope {SCOPE}.", scope=SCOPE)
