"""POST /api/v1/hooks/sftpgo: what SFTPGo tells of files, and asks before an upload."""

import logging
from typing import Final

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apikeys.api import reference as ref
from momentry.common.errors import MomentryError
from videos import sftpgo
from videos.services import hooks

logger = logging.getLogger(__name__)
LARGEST_BODY: Final = 64 * 1024
OUTCOMES: Final = [(word, word) for word in ("done", "duplicate", "ignored", "allowed")]

EVENT = inline_serializer(
    "SftpgoFileEvent",
    {
        "action": serializers.CharField(max_length=64, help_text="Others are taken and ignored."),
        "username": serializers.CharField(max_length=255, help_text="In SFTPGo."),
        "virtual_path": serializers.CharField(max_length=1024),
        "path": serializers.CharField(max_length=2048, required=False),
        "virtual_target_path": serializers.CharField(max_length=1024, required=False),
        "target_path": serializers.CharField(max_length=2048, required=False),
        "file_size": serializers.IntegerField(min_value=0, required=False),
        "status": serializers.IntegerField(min_value=0, required=False, help_text="1: it is done."),
        "timestamp": serializers.IntegerField(min_value=0, required=False, help_text="In ns."),
    },
)
ANSWER = inline_serializer(
    "SftpgoFileOutcome",
    {
        "status": serializers.ChoiceField(OUTCOMES),
        "video": serializers.UUIDField(required=False, help_text="Of an upload."),
        "over_quota": serializers.BooleanField(required=False),
    },
)


class SftpgoHook(APIView):
    """Its own key is a service's, with the scope hooks:sftpgo."""

    scopes = {"POST": "hooks:sftpgo"}

    @extend_schema(
        operation_id="hooks_sftpgo",
        request=EVENT,
        responses={
            200: ANSWER,
            **ref.problems(
                *ref.ALWAYS, "permission_denied", "member_suspended", "storage_quota_exceeded",
                "body_too_large", "invalid_input", "database_unavailable",
            ),
        },
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """A file was uploaded, deleted, renamed or copied (200 once it is in the books, whoever it
        belongs to), or is about to be uploaded (403: not now). Anything else is ignored with 200.
        The same bytes again have no effect."""
        body = request._request.body
        if len(body) > LARGEST_BODY:
            raise MomentryError("body_too_large")
        outcome = hooks.receive(sftpgo.read(body))
        answer: dict[str, object] = {"status": outcome.status}
        if outcome.video is not None:
            answer |= {"video": outcome.video, "over_quota": outcome.over_quota}
        return Response(answer, headers={"Cache-Control": "no-store"})
