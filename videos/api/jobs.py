"""/api/v1/jobs: how far the processing of a member's own videos is, and what it found."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apikeys.api import reference as ref
from apikeys.api.filters import read_filters
from videos.api import listforms as forms
from videos.api.callers import calling_member
from videos.models import ProcessingJob
from videos.reading import select_jobs, with_steps


class JobViewSet(ListModelMixin, GenericViewSet[ProcessingJob]):
    """The jobs of the calling member's videos. Another member's job is not there."""

    serializer_class = forms.JobSerializer
    queryset = ProcessingJob.objects.all()
    scopes = {"GET": "jobs:read"}
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[ProcessingJob]:
        rows = super().get_queryset().filter(owner=calling_member(self.request))
        if self.action == "list":
            rows = select_jobs(rows, read_filters(forms.JobFilters, self.request))
        return with_steps(rows, results=self.action != "list")

    @extend_schema(
        parameters=[forms.JobFilters],
        responses={
            200: forms.JobSerializer(many=True),
            **ref.problems(*ref.ALWAYS, "permission_denied", "invalid_input"),
        },
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The caller's jobs with their steps, newest first, without results."""
        return super().list(request, *args, **kwargs)

    @extend_schema(
        parameters=[forms.JOB_ID],
        responses={200: forms.JobDetail, **ref.problems(*ref.ALWAYS, "not_found")},
    )
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """One of the caller's jobs, with the results of its steps."""
        return Response(forms.JobDetail(self.get_object()).data)
