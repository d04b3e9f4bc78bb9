"""POST /api/v1/admin/upstreams/{slug}/test: do its targets answer, and if not, what fails?"""

from typing import Any, Final

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apikeys.api import reference as ref
from apikeys.api.answers import read
from momentry.common.idempotency import actor_of
from momentry.common.serializers import StrictSerializer
from proxy.probe import Outcome
from proxy.services.probing import MAX_PATH, try_upstream

EXAMPLE: Final = OpenApiExample(
    "One target answers, a credential of another is refused, a third has a certificate that ended",
    response_only=True,
    value={
        "slug": "llm",
        "path": "/models",
        "ok": False,
        "targets": [
            {"base_url": "https://api.example.org/v1", "credential": None, "outcome": "ok",
             "status": 200, "ms": 87, "detail": "It answers 200."},
            {"base_url": "https://eu.example.org/v1",
             "credential": {"id": "0198c0de-7000-7000-8000-000000000000", "label": "old",
                            "api_key_masked": "sk-***1234"},
             "outcome": "auth", "status": 401, "ms": 31,
             "detail": "It refuses the credential: 401."},
            {"base_url": "https://us.example.org/v1", "credential": None, "outcome": "tls",
             "status": None, "ms": 31,
             "detail": "Its certificate is not accepted: certificate has expired."},
        ],
    },
)  # fmt: skip


class ProbeInput(StrictSerializer):
    path = serializers.CharField(
        required=False, max_length=MAX_PATH, trim_whitespace=False,
        help_text="Below each base URL; without it `/models` of an openai upstream, else the base"
        " URL itself.",
    )  # fmt: skip


class CredentialShown(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    label = serializers.CharField(allow_blank=True)  # type: ignore[assignment]  # a field
    api_key_masked = serializers.CharField()


class TargetTested(serializers.Serializer[Any]):
    base_url = serializers.CharField()
    credential = CredentialShown(
        allow_null=True, help_text="The one that was sent, or cannot be; null for none."
    )
    outcome = serializers.ChoiceField(
        [outcome.value for outcome in Outcome], help_text="`ok`, or the step that failed."
    )
    status = serializers.IntegerField(allow_null=True, help_text="Of the answer; null without one.")
    ms = serializers.IntegerField(min_value=0)
    detail = serializers.CharField(help_text="momentry's words: nothing of the answer is repeated.")


class UpstreamTested(serializers.Serializer[Any]):
    slug = serializers.CharField()
    path = serializers.CharField(allow_blank=True)
    ok = serializers.BooleanField(help_text="There are active targets, and each answered well.")
    targets = TargetTested(many=True)


class UpstreamTest(APIView):
    """Sends what the gateway would send."""

    scopes = {"POST": "upstreams:write"}
    staff_permissions = {"POST": "proxy.change_upstream"}

    @extend_schema(
        operation_id="upstream_test",
        parameters=[ref.slug_parameter("The upstream's slug.")],
        request=ProbeInput,
        responses={
            200: UpstreamTested, **ref.problems(*ref.ALWAYS, "not_found", "invalid_input"),
        },
        examples=[EXAMPLE],
    )  # fmt: skip
    def post(self, request: Request, slug: str) -> Response:
        """Send one GET to each active target with each of its active credentials, under the egress
        guard and with the header rules, and say of each what failed: `dns`, `egress`, `connect`,
        `tls`, `auth` (401, 403), `path` (404), `status` (other errors, or no HTTP), `timeout`; else
        `ok`. Takes ten seconds at most. No redirect is followed. A switched-off upstream is tested
        too."""
        path = read(ProbeInput, request).get("path", "")
        tested = try_upstream(slug, actor=actor_of(request), path=path)
        return Response(UpstreamTested(tested).data)
