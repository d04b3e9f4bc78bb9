"""/api/v1/videos: a member's own videos."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apikeys.api import reference as ref
from apikeys.api.answers import read, versions_in
from apikeys.api.filters import read_filters
from apikeys.api.storage import TellsStorage, whole_storage
from momentry.common.idempotency import actor_of
from videos.api import listforms as forms
from videos.api.callers import calling_member
from videos.models import Video
from videos.reading import add_jobs, select_videos
from videos.services import library


class VideoViewSet(TellsStorage, ListModelMixin, GenericViewSet[Video]):
    """The calling member's videos. Another member's video is not there."""

    serializer_class = forms.VideoSerializer
    queryset = Video.objects.all()
    scopes = {
        "GET": "videos:read", "PATCH": "videos:write", "POST": "videos:write",
        "DELETE": "videos:write",
    }  # fmt: skip
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Video]:
        rows = super().get_queryset().filter(owner=calling_member(self.request))
        if self.action != "list":
            return rows
        return select_videos(rows, read_filters(forms.VideoFilters, self.request))

    def paginate_queryset(self, queryset: Any) -> Any:
        return add_jobs(super().paginate_queryset(queryset) or ())

    @extend_schema(
        parameters=[forms.VideoFilters],
        responses={
            200: forms.VideoSerializer(many=True),
            **ref.problems(*ref.ALWAYS, "permission_denied", "invalid_input"),
        },
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The caller's videos, newest first, each with its newest job. A filter that does not
        exist is refused, not ignored."""
        return super().list(request, *args, **kwargs)

    @extend_schema(
        parameters=[forms.VIDEO_ID],
        responses={200: forms.VideoDetail, **ref.problems(*ref.ALWAYS, "not_found")},
    )
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """One of the caller's videos, also a deleted one. Its version is the ETag."""
        return self.answer()

    @extend_schema(
        parameters=[forms.VIDEO_ID, ref.IF_MATCH],
        request=forms.VideoInput,
        responses={
            200: forms.VideoDetail,
            **ref.problems(*ref.ALWAYS, "not_found", "precondition_failed", "invalid_input"),
        },
        examples=[forms.RENAME],
    )
    def partial_update(self, request: Request, pk: UUID) -> Response:
        """Give a video another name to show; the file keeps its own."""
        video = self.get_object()
        name = read(forms.VideoInput, request)["name"]
        library.rename_video(video.pk, name, actor=actor_of(request), versions=versions_in(request))
        return self.answer()

    @extend_schema(
        parameters=[forms.VIDEO_ID, ref.IF_MATCH],
        responses={204: None, **ref.problems(*ref.ALWAYS, "not_found", "precondition_failed")},
    )
    def destroy(self, request: Request, pk: UUID) -> Response:
        """Delete a video: its space is free at once, and until the purge it can be restored.
        Repeating it is harmless."""
        video = self.get_object()
        library.delete_video(video.pk, actor=actor_of(request), versions=versions_in(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        parameters=[forms.VIDEO_ID, ref.IF_MATCH],
        request=None,
        responses={
            200: forms.VideoDetail,
            **ref.problems(*ref.WRITES, "storage_quota_exceeded", "precondition_failed"),
        },
    )
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: UUID) -> Response:
        """Undo a deletion before the purge: its bytes must fit again. 409 when the file itself was
        deleted, or its path has another video by now. Repeating it is harmless."""
        video = self.get_object()
        library.restore_video(video.pk, actor=actor_of(request), versions=versions_in(request))
        return self.answer()

    def answer(self) -> Response:
        return answer(self.get_object(), forms.VideoDetail)


def answer(video: Video, kind: type[forms.VideoSerializer]) -> Response:
    """The video as it is now, with its newest job and its owner's storage; its version is a strong
    ETag."""
    shown: Any = add_jobs([video])[0]
    shown.storage = whole_storage(video.owner_id) if video.owner_id else None
    return Response(kind(shown).data, headers={"ETag": f'"{video.version}"'})
