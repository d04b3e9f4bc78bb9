"""/api/v1/admin/videos and /jobs: everybody's and nobody's, for ADMIN_TOKEN, roles and staff."""

from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.models import User
from apikeys.api import reference as ref
from apikeys.api.answers import read, versions_in
from apikeys.api.filters import read_filters
from momentry.common.errors import MomentryError
from momentry.common.idempotency import actor_of
from videos.api import listforms as forms
from videos.api.videos import answer
from videos.models import ProcessingJob, Video
from videos.reading import add_jobs, select_jobs, select_videos, with_steps
from videos.services import library
from videos.services.purge import purge_video

CHANGE: Final = {"POST": "videos.change_video"}
DELETE: Final = {"POST": "videos.delete_video"}
STUCK: Final = "Its file cannot be removed: see the permissions under SFTPGO_DATA_ROOT."
CHANGES: Final = {
    200: forms.AdminVideoDetail,
    **ref.problems(*ref.WRITES, "storage_quota_exceeded", "precondition_failed", "invalid_input"),
}


class AdminVideoViewSet(ListModelMixin, GenericViewSet[Video]):
    """Every video, also deleted ones and nobody's."""

    serializer_class = forms.AdminVideo
    queryset = Video.objects.select_related("owner")
    scopes = {
        "GET": "videos:read", "PATCH": "videos:write", "POST": "videos:write",
        "DELETE": "videos:write",
    }  # fmt: skip
    staff_permissions = {
        "GET": "videos.view_video", "PATCH": "videos.change_video", "DELETE": "videos.delete_video",
    }  # fmt: skip
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Video]:
        rows = super().get_queryset()
        if self.action != "list":
            return rows
        return select_videos(rows, read_filters(forms.AdminVideoFilters, self.request))

    def paginate_queryset(self, queryset: Any) -> Any:
        return add_jobs(super().paginate_queryset(queryset) or (), owners=True)

    @extend_schema(
        operation_id="admin_videos_list",
        parameters=[forms.AdminVideoFilters],
        responses={
            200: forms.AdminVideo(many=True), **ref.problems(*ref.ALWAYS, "invalid_input"),
        },
    )  # fmt: skip
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Videos with their owners and newest jobs, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(
        operation_id="admin_videos_retrieve",
        parameters=[forms.VIDEO_ID],
        responses={200: forms.AdminVideoDetail, **ref.problems(*ref.ALWAYS, "not_found")},
    )
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """One video, with its owner's storage. Its version is the ETag."""
        return self.answer()

    @extend_schema(
        operation_id="admin_videos_partial_update",
        parameters=[forms.VIDEO_ID, ref.IF_MATCH],
        request=forms.AdminVideoInput,
        responses=CHANGES,
        examples=[forms.REASSIGN, forms.RENAME],
    )
    def partial_update(self, request: Request, pk: UUID) -> Response:
        """Rename or reassign a video. Its bytes go from one member to the other in one step, its
        jobs follow; 403 where they do not fit, unless ``"anyway": true``; 409 where the new owner
        has a video at that path."""
        video = self.get_object()
        wanted = read(forms.AdminVideoInput, request)
        change(video, wanted, actor=actor_of(request), versions=versions_in(request))
        return self.answer()

    @extend_schema(
        operation_id="admin_videos_destroy",
        parameters=[forms.VIDEO_ID, ref.IF_MATCH],
        responses={204: None, **ref.problems(*ref.ALWAYS, "not_found", "precondition_failed")},
    )
    def destroy(self, request: Request, pk: UUID) -> Response:
        """Delete a video, softly. Repeating it is harmless."""
        video = self.get_object()
        library.delete_video(video.pk, actor=actor_of(request), versions=versions_in(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        operation_id="admin_videos_restore",
        parameters=[forms.VIDEO_ID, ref.IF_MATCH],
        request=forms.AdminRestoreInput,
        responses=CHANGES,
    )
    @action(detail=True, methods=["post"], staff_permissions=CHANGE)
    def restore(self, request: Request, pk: UUID) -> Response:
        """Undo a deletion; with ``"anyway": true`` also where its bytes do not fit any more, or its
        owner is not active."""
        video = self.get_object()
        given = read(forms.AdminRestoreInput, request)
        library.restore_video(
            video.pk, actor=actor_of(request), versions=versions_in(request), **given
        )
        return self.answer()

    @extend_schema(
        operation_id="admin_videos_purge",
        parameters=[forms.VIDEO_ID, ref.IF_MATCH],
        request=None,
        responses={204: None, **ref.problems(*ref.WRITES, "precondition_failed")},
    )
    @action(detail=True, methods=["post"], staff_permissions=DELETE)
    def purge(self, request: Request, pk: UUID) -> Response:
        """End a deleted video now: its row, its jobs, and its file where this machine sees it."""
        video = self.get_object()
        try:
            purge_video(video.pk, actor=actor_of(request), versions=versions_in(request))
        except OSError:
            raise MomentryError("conflict", STUCK) from None
        return Response(status=status.HTTP_204_NO_CONTENT)

    def answer(self) -> Response:
        return answer(self.get_object(), forms.AdminVideoDetail)


@transaction.atomic
def change(video: Video, wanted: dict[str, Any], *, actor: str, versions: Any) -> None:
    """All of it or nothing."""
    if "owner" in wanted:
        owner = find_owner(wanted["owner"])
        library.reassign_video(
            video.pk, owner, actor=actor, versions=versions, anyway=wanted["anyway"]
        )
        versions = None  # which the first step has raised
    if "name" in wanted:
        library.rename_video(video.pk, wanted["name"], actor=actor, versions=versions)


def find_owner(member_id: UUID | None) -> User | None:
    if member_id is None:
        return None
    found = User.objects.filter(pk=member_id).first()
    if found is None:
        raise library.no_member()
    return found


class AdminJobViewSet(ListModelMixin, GenericViewSet[ProcessingJob]):
    """Every job, with who works on its steps and why one failed."""

    serializer_class = forms.AdminJob
    queryset = ProcessingJob.objects.select_related("owner")
    scopes = {"GET": "jobs:read"}
    staff_permissions = {"GET": "videos.view_processingjob"}
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[ProcessingJob]:
        rows = super().get_queryset()
        if self.action == "list":
            rows = select_jobs(rows, read_filters(forms.AdminJobFilters, self.request))
        return with_steps(rows, results=self.action != "list")

    @extend_schema(
        operation_id="admin_jobs_list",
        parameters=[forms.AdminJobFilters],
        responses={200: forms.AdminJob(many=True), **ref.problems(*ref.ALWAYS, "invalid_input")},
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Jobs with their owners and steps, newest first, without results."""
        return super().list(request, *args, **kwargs)

    @extend_schema(
        operation_id="admin_jobs_retrieve",
        parameters=[forms.JOB_ID],
        responses={200: forms.AdminJobDetail, **ref.problems(*ref.ALWAYS, "not_found")},
    )
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """One job, with the results of its steps."""
        return Response(forms.AdminJobDetail(self.get_object()).data)
