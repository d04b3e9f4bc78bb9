"""POST /api/v1/keys/settle: what a call cost whose budgets keys/verify held."""

from typing import Final

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apikeys.api import reference as ref
from apikeys.api.answers import read
from apikeys.api.verify import HOLD, SCOPE, refuse_members
from apikeys.gate.holds import MAX_HELD
from apikeys.gate.sealed import MAX_LENGTH
from apikeys.models import SettledHold
from apikeys.services.holds import settle_hold
from momentry.common.access import access_of
from momentry.common.serializers import StrictSerializer

EXAMPLES: Final = [
    OpenApiExample(
        "It cost this much",
        {"hold": HOLD, "tokens": 812, "cost_micro": 4100},
        request_only=True,
    ),
    OpenApiExample("It came to nothing", {"hold": HOLD}, request_only=True),
    OpenApiExample(
        "Settled",
        {
            "key_id": "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0", "outcome": "settled",
            "tokens": 812, "cost_micro": 4100, "settled_at": "2026-11-21T12:00:03Z",
        },
        response_only=True,
    ),
]  # fmt: skip


def amount(help_text: str) -> serializers.IntegerField:
    return serializers.IntegerField(
        required=False, min_value=0, max_value=MAX_HELD, help_text=help_text
    )


class SettleInput(StrictSerializer):
    hold = serializers.CharField(
        max_length=MAX_LENGTH, trim_whitespace=False, help_text="From the answer of keys/verify."
    )
    tokens = amount("What it took; without it what was held counts.")
    cost_micro = amount(
        "What it cost, in millionths of the currency; without it what was held counts."
    )


class SettledSerializer(serializers.ModelSerializer[SettledHold]):
    outcome = serializers.ChoiceField(choices=["settled", "refunded"])

    class Meta:
        model = SettledHold
        fields = ["key_id", "outcome", "tokens", "cost_micro", "settled_at"]
        read_only_fields = fields


class HoldSettlement(APIView):
    """The end of a hold."""

    scopes = {"POST": SCOPE}

    @extend_schema(
        operation_id="keys_settle",
        request=SettleInput,
        responses={
            200: SettledSerializer,
            **ref.problems(*ref.ALWAYS, "hold_expired", "hold_invalid", "invalid_input"),
        },
        examples=EXAMPLES,
    )
    def post(self, request: Request) -> Response:
        """Say what a call cost whose budgets `keys/verify` held. What it did not cost goes back,
        what it cost beyond is counted. With neither `tokens` nor `cost_micro` the call came to
        nothing: all goes back, its units of requests too. Only who got the hold ends it, within an
        hour; a repetition changes nothing and is told what the first did. The caller pays
        nothing."""
        refuse_members(request)
        given = read(SettleInput, request)
        done = settle_hold(
            given["hold"],
            caller=access_of(request._request).actor,
            tokens=given.get("tokens"),
            cost_micro=given.get("cost_micro"),
        )
        return Response(SettledSerializer(done).data, headers={"Cache-Control": "no-store"})
