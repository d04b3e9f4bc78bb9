"""What is read from and sent to the lists of videos and jobs. Unknown fields are refused."""

from typing import Any, Final
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from apikeys.api.reference import request_example
from apikeys.api.serializers import WholeStorageSerializer
from momentry.common.filters import Instant
from momentry.common.serializers import StrictSerializer
from videos.models import (
    NAME_LENGTH,
    JobState,
    ProcessingJob,
    ProcessingStep,
    Processor,
    Source,
    Video,
)
from videos.reading import NEWEST, SEARCHED, VIDEO_ORDERINGS

PART: Final = (
    f"Part of the name or path, whatever the case; of the newest {SEARCHED} videos that the other "
    "filters leave."
)
VIDEO_ID: Final = OpenApiParameter("id", UUID, OpenApiParameter.PATH, description="The video's id.")
JOB_ID: Final = OpenApiParameter("id", UUID, OpenApiParameter.PATH, description="The job's id.")
RENAME: Final = request_example("Another name", {"name": "Holidays"})
REASSIGN: Final = request_example(
    "Another owner, whether it fits or not",
    {"owner": "0193a1c8-f0a7-7c8e-9d0b-7d1f2c3a4b5e", "anyway": True},
)


def orderings(*names: str) -> serializers.ChoiceField:
    return serializers.ChoiceField(
        [sign + name for name in names for sign in ("", "-")], default=NEWEST
    )


class Range(serializers.Serializer[Any]):
    created_after = Instant(required=False, help_text="Then or later.")
    created_before = Instant(required=False, help_text="Before then.")


class VideoFilters(Range):
    q = serializers.CharField(required=False, max_length=128, help_text=PART)
    state = serializers.ChoiceField(
        JobState.choices, required=False, help_text="Of its newest job."
    )
    source = serializers.ChoiceField(  # type: ignore[assignment]  # a field's own is of no use here
        Source.choices, required=False
    )
    deleted = serializers.BooleanField(
        default=False, help_text="Those that can be restored, instead of the others."
    )
    ordering = orderings(*VIDEO_ORDERINGS)


class OwnerFilters(serializers.Serializer[Any]):
    owner = serializers.UUIDField(required=False, help_text="The member's id.")
    no_owner = serializers.BooleanField(required=False, help_text="Nobody's, or somebody's.")


class AdminVideoFilters(VideoFilters, OwnerFilters):
    deleted = serializers.BooleanField(required=False)
    over_quota = serializers.BooleanField(required=False)


class JobFilters(Range):
    state = serializers.ChoiceField(JobState.choices, required=False)
    processor = serializers.ChoiceField(
        Processor.choices, required=False, help_text="One of its steps is its."
    )
    video = serializers.UUIDField(required=False, help_text="The video's id.")
    ordering = orderings("created_at")


class AdminJobFilters(JobFilters, OwnerFilters):
    pass


class OwnerShown(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    username = serializers.CharField()


class StepSerializer(serializers.ModelSerializer[ProcessingStep]):
    class Meta:
        model = ProcessingStep
        fields = ["processor", "state", "progress", "attempts", "updated_at", "finished_at"]
        read_only_fields = fields


class StepDetail(StepSerializer):
    class Meta(StepSerializer.Meta):
        fields = [*StepSerializer.Meta.fields, "result", "artefacts"]
        read_only_fields = fields


class AdminStep(StepSerializer):
    class Meta(StepSerializer.Meta):
        fields = [*StepSerializer.Meta.fields, "worker", "leased_until", "last_error"]
        read_only_fields = fields


class AdminStepDetail(AdminStep):
    class Meta(AdminStep.Meta):
        fields = [*AdminStep.Meta.fields, "result", "artefacts"]
        read_only_fields = fields


class JobSerializer(serializers.ModelSerializer[ProcessingJob]):
    progress = serializers.SerializerMethodField(help_text="Per cent, of all steps together.")
    steps = StepSerializer(many=True)

    class Meta:
        model = ProcessingJob
        fields = [
            "id", "video", "kind", "state", "priority", "progress", "steps", "created_at",
            "updated_at", "finished_at",
        ]  # fmt: skip
        read_only_fields = fields

    def get_progress(self, job: ProcessingJob) -> int:
        found = [100 if step.state == "done" else step.progress for step in job.steps.all()]
        return sum(found) // len(found) if found else 0


class JobDetail(JobSerializer):
    steps = StepDetail(many=True)


class AdminJob(JobSerializer):
    owner = OwnerShown(allow_null=True)
    steps = AdminStep(many=True)

    class Meta(JobSerializer.Meta):
        fields = [*JobSerializer.Meta.fields, "owner"]
        read_only_fields = fields


class AdminJobDetail(AdminJob):
    steps = AdminStepDetail(many=True)


class VideoSerializer(serializers.ModelSerializer[Video]):
    job = JobSerializer(source="newest_job", allow_null=True, help_text="The newest.")

    class Meta:
        model = Video
        fields = [
            "id", "name", "path", "size", "sha256", "hashed_bytes", "hashed_at", "source",
            "over_quota", "version", "created_at", "updated_at", "deleted_at", "file_gone", "job",
        ]  # fmt: skip
        read_only_fields = fields


class VideoDetail(VideoSerializer):
    storage = WholeStorageSerializer(help_text="Its owner's.")

    class Meta(VideoSerializer.Meta):
        fields = [*VideoSerializer.Meta.fields, "storage"]
        read_only_fields = fields


class AdminVideo(VideoSerializer):
    owner = OwnerShown(allow_null=True)
    job = AdminJob(source="newest_job", allow_null=True, help_text="The newest.")

    class Meta(VideoSerializer.Meta):
        fields = [*VideoSerializer.Meta.fields, "location", "owner", "owner_label"]
        read_only_fields = fields


class AdminVideoDetail(AdminVideo):
    storage = WholeStorageSerializer(allow_null=True, help_text="Its owner's.")

    class Meta(AdminVideo.Meta):
        fields = [*AdminVideo.Meta.fields, "storage"]
        read_only_fields = fields


class VideoInput(StrictSerializer):
    name = serializers.CharField(max_length=NAME_LENGTH)


class AdminVideoInput(StrictSerializer):
    name = serializers.CharField(max_length=NAME_LENGTH, required=False)
    owner = serializers.UUIDField(
        required=False, allow_null=True, help_text="A member's id; null: nobody's."
    )
    anyway = serializers.BooleanField(
        default=False, help_text="Also where its bytes do not fit into the owner's storage."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not {"name", "owner"} & set(attrs):
            raise serializers.ValidationError("needs a name or an owner")
        return attrs


class AdminRestoreInput(StrictSerializer):
    anyway = serializers.BooleanField(
        default=False, help_text="Also where its bytes do not fit any more."
    )
