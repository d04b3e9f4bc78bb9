"""POST /api/v1/hooks/sftpgo/auth: SFTPGo asks whether somebody may log in."""

import logging
from typing import Any

from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apikeys.api import reference as ref
from events import refusals
from provisioning.services.sftp_login import account_for
from provisioning.wordpress import storable

logger = logging.getLogger(__name__)
# Not an empty body: to SFTPGo that is a yes, with the account as it is.
NO: dict[str, str] = {"username": ""}


class LoginInput(serializers.Serializer[Any]):
    """SFTPGo sends more, and later versions may send more yet."""

    username = serializers.CharField(max_length=255, trim_whitespace=False, allow_blank=True)
    password = serializers.CharField(
        max_length=1024, trim_whitespace=False, allow_blank=True, required=False, default=""
    )
    ip = serializers.IPAddressField(help_text="Where the client is.")
    protocol = serializers.CharField(max_length=16, required=False, allow_blank=True)
    user = serializers.DictField(
        required=False, allow_null=True, help_text="The account as SFTPGo has it, if it has one."
    )

    def validate_username(self, name: str) -> str:
        if not storable(name):
            raise serializers.ValidationError("is not text")
        return name


ACCOUNT = inline_serializer(
    "SftpgoAccount",
    {
        "username": serializers.CharField(allow_blank=True, help_text="Empty: no."),
        "home_dir": serializers.CharField(required=False),
        "permissions": serializers.DictField(required=False),
        "status": serializers.IntegerField(required=False),
        "email": serializers.CharField(required=False),
        "quota_size": serializers.IntegerField(required=False, help_text="Bytes; 0: no bound."),
        "additional_info": serializers.CharField(required=False),
    },
)


class SftpgoAuth(APIView):
    """Its own key is a service's, with the scope hooks:sftpgo."""

    scopes = {"POST": "hooks:sftpgo"}

    @extend_schema(
        operation_id="hooks_sftpgo_auth",
        request=LoginInput,
        responses={
            200: ACCOUNT,
            **ref.problems(*ref.ALWAYS, "invalid_input", "upstream_unreachable", "upstream_failed"),
        },
    )
    @sensitive_variables("given")
    def post(self, request: Request) -> Response:
        """May this person log in with this password, a key of theirs with `videos:write` or an
        Application Password? Always 200 when that is known: the account, or one without a name."""
        read = LoginInput(data=request.data)
        read.is_valid(raise_exception=True)
        given = read.validated_data
        found = account_for(given["username"], given["password"], given["ip"], given.get("user"))
        if found is None:
            refusals.note("sftp_login_refused", address=given["ip"])
            logger.info("A log-in to SFTPGo was refused.", extra={"client": given["ip"]})
        return Response(found or NO, headers={"Cache-Control": "no-store"})
