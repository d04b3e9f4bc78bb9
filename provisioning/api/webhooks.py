"""POST /api/v1/webhooks/wordpress: signed by the site, judged by no key."""

from django.http import HttpRequest
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Site
from momentry.common import throttle
from momentry.common.errors import MomentryError
from provisioning.services.inbox import receive, sender_of
from provisioning.wordpress import TYPES, invalid, read_snapshot

EVENT_ID_LENGTH = 128
OUTCOMES = [(word, word) for word in ("applied", "duplicate", "stale", "conflict")]


class WordPressWebhook(APIView):
    """One full snapshot of one WordPress user, signed as Standard Webhooks 1.0 says."""

    authentication_classes: list[type] = []
    permission_classes: list[type] = []

    @extend_schema(
        operation_id="webhook_wordpress",
        request=inline_serializer(
            "WordPressEvent",
            {
                "type": serializers.ChoiceField(TYPES),
                "sequence": serializers.IntegerField(min_value=1),
                "data": serializers.JSONField(),
            },
        ),
        responses={
            200: inline_serializer(
                "WordPressOutcome",
                {"status": serializers.ChoiceField(OUTCOMES)},
            )
        },
        auth=[],
    )
    def post(self, request: Request) -> Response:
        body = request._request.body
        headers = {name.lower(): value for name, value in request.headers.items()}
        site = proven_sender(request._request, body, headers)
        event_id = headers["webhook-id"]
        if len(event_id) > EVENT_ID_LENGTH:
            raise invalid("webhook-id", f"must be at most {EVENT_ID_LENGTH} characters")
        return Response({"status": receive(site, read_snapshot(event_id, body))})


def proven_sender(request: HttpRequest, body: bytes, headers: dict[str, str]) -> Site:
    """As sender_of, and the failures of an address are counted: what is signed always passes."""
    try:
        return sender_of(body, headers)
    except MomentryError:
        throttle.spend(request, throttle.WEBHOOK_FAILURES, throttle.address_of(request))
        raise
