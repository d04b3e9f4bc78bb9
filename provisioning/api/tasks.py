"""/api/v1/admin/provisioning-tasks: what other systems still have to be told of members."""

from typing import Any, Final

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apikeys.api import reference as ref
from apikeys.api.filters import read_filters
from momentry.common.errors import MomentryError
from momentry.common.idempotency import actor_of
from provisioning.models import ProvisioningTask, System, TaskState
from provisioning.services import tasks

NOTHING: Final = "There is nothing to retry: the task has not failed."
VIEW: Final = "provisioning.view_provisioningtask"
CHANGE: Final = "provisioning.change_provisioningtask"


class TaskMember(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    username = serializers.CharField()


class ProvisioningTaskSerializer(serializers.ModelSerializer[ProvisioningTask]):
    member = TaskMember()

    class Meta:
        model = ProvisioningTask
        fields = [
            "id", "member", "system", "state", "desired_version", "done_version", "attempts",
            "misses", "next_attempt_at", "last_error", "created_at", "updated_at", "done_at",
        ]  # fmt: skip
        read_only_fields = fields


class TaskFilters(serializers.Serializer[Any]):
    state = serializers.ChoiceField(TaskState.choices, required=False)
    system = serializers.ChoiceField(System.choices, required=False)
    member = serializers.UUIDField(required=False, help_text="The member's id.")


class ProvisioningTaskViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[ProvisioningTask]):
    """One task for each member and system; it is never deleted, only due again."""

    serializer_class = ProvisioningTaskSerializer
    queryset = ProvisioningTask.objects.select_related("member").order_by("-created_at", "-id")
    scopes = {"GET": "members:read", "POST": "provisioning:write"}
    staff_permissions = {"GET": VIEW, "POST": CHANGE}
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[ProvisioningTask]:
        rows = super().get_queryset()
        if self.action != "list":
            return rows
        return rows.filter(**read_filters(TaskFilters, self.request))

    @extend_schema(
        parameters=[TaskFilters],
        responses={
            200: ProvisioningTaskSerializer(many=True),
            **ref.problems(*ref.ALWAYS, "invalid_input"),
        },
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Tasks, newest first; `state=dead` are those that were given up."""
        return super().list(request, *args, **kwargs)

    @extend_schema(
        request=None, responses={200: ProvisioningTaskSerializer, **ref.problems(*ref.WRITES)}
    )
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """A task that failed is due at once, with all its attempts again. 409 for one that did
        not fail."""
        task = self.get_object()
        if not tasks.retry(task, actor=actor_of(request)):
            raise MomentryError("conflict", NOTHING)
        task.refresh_from_db()
        return Response(ProvisioningTaskSerializer(task).data)
