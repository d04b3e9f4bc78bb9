"""POST /api/v1/webhooks/wordpress: signed by the site, judged by no key."""

from collections.abc import Callable

from django.http import HttpRequest
from django.utils import timezone
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Scheme, Site
from momentry.common import throttle
from momentry.common.errors import MomentryError
from provisioning import foreign
from provisioning.services.inbox import foreign_sender_of, receive, sender_of
from provisioning.services.wakeups import wake
from provisioning.wordpress import TYPES, invalid, is_ping, read_snapshot

EVENT_ID_LENGTH = 128
LARGEST_BODY = 256 * 1024  # WP Webhooks sends all that plugins keep of a user
OUTCOMES = [
    (word, word)
    for word in ("applied", "duplicate", "stale", "conflict", "queued", "ignored", "pong")
]


class WordPressWebhook(APIView):
    """One full snapshot of one WordPress user, signed as Standard Webhooks 1.0 says; or, signed as
    WooCommerce or WP Webhooks sign, word that a user changed."""

    authentication_classes: list[type] = []
    permission_classes: list[type] = []

    @extend_schema(
        operation_id="webhook_wordpress",
        request=inline_serializer(
            "WordPressEvent",
            {
                "type": serializers.ChoiceField([*TYPES, "ping"]),
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
        http = request._request
        body, headers = signed_parts(http)
        if foreign.is_creation_ping(headers, body):
            return Response({"status": "pong"})
        scheme = foreign.scheme_of(headers)
        if scheme is not None:
            return Response({"status": wake_up(http, scheme, body, headers)})
        site = proven_sender(http, lambda: sender_of(body, headers))
        event_id = event_id_of(headers)
        if is_ping(body):
            return Response({"status": "pong"})
        return Response({"status": receive(site, read_snapshot(event_id, body))})


def signed_parts(http: HttpRequest) -> tuple[bytes, dict[str, str]]:
    """The raw body and the fields by their lower-case names."""
    body = http.body
    if len(body) > LARGEST_BODY:
        raise MomentryError("body_too_large")
    return body, {name.lower(): value for name, value in http.headers.items()}


def event_id_of(headers: dict[str, str]) -> str:
    """As it was signed; it is never cut."""
    event_id = headers["webhook-id"]
    if len(event_id) > EVENT_ID_LENGTH or not event_id.isprintable():
        raise invalid("webhook-id", f"must be at most {EVENT_ID_LENGTH} printable characters")
    return event_id


def wake_up(http: HttpRequest, scheme: Scheme, body: bytes, headers: dict[str, str]) -> str:
    site = proven_sender(http, lambda: foreign_sender_of(scheme, body, headers))
    call = foreign.read_call(scheme, headers, body)
    return "ignored" if call is None else wake(site, call, timezone.now())


def proven_sender(request: HttpRequest, find: Callable[[], Site]) -> Site:
    """The failures of an address are counted: what is signed always passes."""
    try:
        return find()
    except MomentryError:
        throttle.spend(request, throttle.WEBHOOK_FAILURES, throttle.address_of(request))
        raise
