"""/api/v1/uploads: room kept for files that are on their way."""

from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.models import User
from apikeys.api import reference as ref
from apikeys.api.answers import read
from apikeys.api.filters import read_filters
from apikeys.api.storage import TellsStorage
from momentry.common.idempotency import actor_of, run_once
from momentry.common.serializers import StrictSerializer
from videos import files
from videos.api.callers import calling_member
from videos.api.inputs import FileInput, PathField, size_field
from videos.api.register import REFUSALS, RegisteredSerializer, answer
from videos.models import Upload, UploadState
from videos.services import uploads

UPLOAD_ID: Final = OpenApiParameter(
    "id", UUID, OpenApiParameter.PATH, description="The upload's id."
)
ROOM: Final = ref.request_example("Room for a megabyte", {"path": "/film/a.mp4", "size": 1048576})
DONE: Final = ref.request_example("It came", {"size": 1048000, "sha256": "9f" * 32})


class UploadInput(StrictSerializer):
    path = PathField(help_text="Where the file will be, as its owner sees it in SFTPGo.")
    size = size_field(least=1, help_text="Bytes to keep.")


class CommitInput(FileInput):
    size = size_field(required=False, help_text="Bytes that came; what was kept without it.")


class UploadFilters(serializers.Serializer[Any]):
    state = serializers.ChoiceField(UploadState.choices, required=False)


class UploadSerializer(serializers.ModelSerializer[Upload]):
    class Meta:
        model = Upload
        fields = [
            "id", "path", "size", "state", "video", "expires_at", "created_at", "ended_at",
        ]  # fmt: skip
        read_only_fields = fields


class UploadViewSet(TellsStorage, ListModelMixin, GenericViewSet[Upload]):
    """The calling member's upload sessions. Another member's is not there."""

    serializer_class = UploadSerializer
    queryset = Upload.objects.all()
    scopes = {"GET": "videos:read", "POST": "videos:write"}
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Upload]:
        if getattr(self, "swagger_fake_view", False):  # the OpenAPI document asks no database
            return super().get_queryset()
        return uploads.uploads_of(calling_member(self.request))

    @extend_schema(
        parameters=[UploadFilters],
        responses={
            200: UploadSerializer(many=True),
            **ref.problems(*ref.ALWAYS, "permission_denied", "invalid_input"),
        },
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One's sessions, newest first, those that ended too."""
        wanted = read_filters(UploadFilters, request)
        rows = self.paginate_queryset(self.get_queryset().filter(**wanted))
        return self.get_paginated_response(UploadSerializer(rows, many=True).data)

    @extend_schema(
        parameters=[UPLOAD_ID],
        responses={
            200: UploadSerializer, **ref.problems(*ref.ALWAYS, "permission_denied", "not_found"),
        },
    )  # fmt: skip
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """One of them."""
        return Response(UploadSerializer(self.get_object()).data)

    @extend_schema(
        parameters=[ref.IDEMPOTENCY_KEY],
        request=UploadInput,
        responses={
            201: UploadSerializer, 200: UploadSerializer, **ref.problems(*REFUSALS, "conflict"),
        },
        examples=[ROOM],
    )  # fmt: skip
    def create(self, request: Request) -> Response:
        """Keep room for a file: it counts against the storage until the session is committed,
        released or over. 200 for one that is open for the same path and size already, 409 for
        another size."""
        member = calling_member(request)
        return run_once(request, route="uploads", effect=lambda: started(request, member))

    @extend_schema(
        parameters=[UPLOAD_ID, ref.IDEMPOTENCY_KEY],
        request=CommitInput,
        responses={
            201: RegisteredSerializer, 200: RegisteredSerializer,
            **ref.problems(*REFUSALS, "not_found", "conflict"),
        },
        examples=[DONE],
    )  # fmt: skip
    @action(detail=True, methods=["post"])
    def commit(self, request: Request, pk: UUID) -> Response:
        """The file came: it is registered, as `/api/v1/register` does it, into the room that was
        kept. Only what it has more must fit. Repeating it answers the same video; 409 for a session
        that was released or has expired."""
        member = calling_member(request)
        effect = lambda: committed(request, member, pk)  # noqa: E731  one call, put off
        return run_once(request, route=f"uploads/{pk.hex}/commit", effect=effect)

    @extend_schema(
        parameters=[UPLOAD_ID],
        request=None,
        responses={
            200: UploadSerializer,
            **ref.problems(*ref.ALWAYS, "permission_denied", "not_found", "conflict"),
        },
    )
    @action(detail=True, methods=["post"])
    def release(self, request: Request, pk: UUID) -> Response:
        """The file will not come: its room is free again. Repeating it is harmless; 409 for a
        session that was committed."""
        return Response(UploadSerializer(uploads.release(calling_member(request), pk)).data)


def started(request: Request, member: User) -> Response:
    given = read(UploadInput, request)
    upload, created = uploads.start(member, given["path"], given["size"])
    return Response(
        UploadSerializer(upload).data,
        status=status.HTTP_201_CREATED if created else status.HTTP_200_OK,
        headers={"Location": f"/api/v1/uploads/{upload.pk}"},
    )


def committed(request: Request, member: User, pk: UUID) -> Response:
    given = read(CommitInput, request)
    path = uploads.find(member, pk).path
    location = files.location_of(member, path)
    return answer(uploads.commit(member, pk, location=location, actor=actor_of(request), **given))
