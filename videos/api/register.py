"""POST /api/v1/register: a file that is there becomes a video of its owner, with a job."""

from typing import Any, Final

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from apikeys.api import reference as ref
from apikeys.api.answers import read
from apikeys.api.storage import TellsStorage
from momentry.common.idempotency import actor_of, run_once
from videos import files
from videos.api.callers import NAMING, NamesMember, meant_member
from videos.api.inputs import FileInput, PathField, size_field
from videos.models import Source
from videos.services.registering import Arrival, Registered, receive

NAMED: Final = OpenApiParameter(
    NAMING, str, OpenApiParameter.HEADER,
    description="Whose file it is, by the name in SFTPGo: with a service's key of hooks:sftpgo.",
)  # fmt: skip
REFUSALS: Final = (
    *ref.ALWAYS, "member_suspended", "permission_denied", "storage_quota_exceeded",
    "idempotency_in_progress", "invalid_input", "idempotency_mismatch",
)  # fmt: skip
EXAMPLES: Final = [
    ref.request_example("A file on SFTPGo", {"path": "/film/a.mp4"}),
    ref.request_example(
        "Size and digest are known, and only speech is wanted",
        {"path": "/film/a.mp4", "size": 1048576, "sha256": "9f" * 32, "processors": ["asr"]},
    ),
    OpenApiExample(
        "Registered",
        {
            "uuid": "0193a1c8-f0a7-7c8e-9d0b-7d1f2c3a4b5e",
            "job_id": "0193a1c8-f0a7-7c8e-9d0b-8a2b3c4d5e6f",
        },
        response_only=True,
    ),
]


class RegisterInput(FileInput):
    path = PathField(help_text="As its owner sees it in SFTPGo, from /.")
    size = size_field(
        required=False, help_text="Bytes. Measured without it, where the file can be seen."
    )


class RegisteredSerializer(serializers.Serializer[Any]):
    uuid = serializers.UUIDField(help_text="The video's.")
    job_id = serializers.UUIDField(help_text="Its newest job's.")


class Register(TellsStorage, APIView):
    """What was uploaded gets its owner."""

    scopes = {"POST": "videos:write"}
    permission_classes = [NamesMember]

    @extend_schema(
        operation_id="register",
        parameters=[ref.IDEMPOTENCY_KEY, NAMED],
        request=RegisterInput,
        responses={
            201: RegisteredSerializer, 200: RegisteredSerializer, **ref.problems(*REFUSALS),
        },
        examples=EXAMPLES,
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Register a file: its bytes count against the storage of its owner and a job processes
        it. 201 for a file that was not known, 200 for one that was: the same video, and a new job
        only if its size or digest is another. A file that does not fit is refused with the
        figures, and nothing is written; one that fits exactly is taken."""
        member = meant_member(request)
        # A hook's key speaks for many: the same key of two members' requests is two.
        route = f"register/{member.pk.hex}"
        return run_once(request, route=route, effect=lambda: registered(request, member))


def registered(request: Request, member: User) -> Response:
    given = read(RegisterInput, request)
    path = given["path"]
    came = Arrival(
        path,
        given["size"] if "size" in given else files.measure(member, path),
        sha256=given.get("sha256", ""),
        location=files.location_of(member, path),
        source=Source.SFTPGO if NAMING in request.headers else Source.REST,
        processors=given.get("processors"),
        actor=actor_of(request),
    )
    return answer(receive(member, came))


def answer(done: Registered) -> Response:
    body = {"uuid": str(done.video.pk), "job_id": str(done.job.pk)}
    code = status.HTTP_201_CREATED if done.created else status.HTTP_200_OK
    response = Response(body, status=code, headers={"Location": f"/api/v1/videos/{done.video.pk}"})
    response.owner = done.video.owner  # type: ignore[attr-defined]  # for TellsStorage
    return response
