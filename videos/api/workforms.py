"""What workers send and are told; shape only."""

import json
from typing import Any, Final
from urllib.parse import urlsplit

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from momentry.common.serializers import StrictSerializer
from videos.models import WORKER_LENGTH, ProcessingJob, Processor
from videos.services.leases import ERROR_LENGTH
from videos.services.results import LARGEST, fault_of

LONGEST_WAIT: Final = 20  # seconds
SHORTEST_LEASE: Final = 30
DEFAULT_LEASE: Final = 120
LONGEST_LEASE: Final = 3600
MOST_ARTEFACTS: Final = 100
URL_LENGTH: Final = 2000
ERROR_SENT: Final = 10_000  # what is beyond ERROR_LENGTH is cut


def lease_seconds() -> serializers.IntegerField:
    return serializers.IntegerField(
        required=False, min_value=SHORTEST_LEASE, max_value=LONGEST_LEASE, default=DEFAULT_LEASE
    )


class LeaseInput(StrictSerializer):
    lease = serializers.UUIDField(help_text="From the answer of jobs/claim.")


class ClaimInput(StrictSerializer):
    processors = serializers.ListField(
        child=serializers.ChoiceField(Processor.choices),
        allow_empty=False,
        max_length=len(Processor),
        help_text="What this worker can do.",
    )
    worker = serializers.CharField(max_length=WORKER_LENGTH, help_text="Its name, for people.")
    wait_seconds = serializers.IntegerField(
        required=False, min_value=0, max_value=LONGEST_WAIT, default=0,
        help_text="How long to wait where there is nothing to do.",
    )  # fmt: skip
    lease_seconds = lease_seconds()


class HeartbeatInput(LeaseInput):
    progress = serializers.DictField(
        child=serializers.IntegerField(min_value=0, max_value=100),
        required=False,
        default=dict,
        help_text="Per cent, by processor.",
    )
    lease_seconds = lease_seconds()

    def validate_progress(self, given: dict[str, int]) -> dict[str, int]:
        unknown = [name for name in given if name not in Processor.values]
        if unknown:
            raise serializers.ValidationError(
                {name: ["is not a processor"] for name in sorted(unknown)[: len(Processor)]}
            )
        return given


@extend_schema_field({"type": "array", "items": {"type": "string", "format": "uri"}})
class ArtefactsField(serializers.ListField):
    child = serializers.CharField(max_length=URL_LENGTH, trim_whitespace=False)

    def to_internal_value(self, data: Any) -> list[Any]:
        found = super().to_internal_value(data)
        wrong: dict[Any, Any] = {
            place: ["is no http or https URL"] for place, url in enumerate(found) if odd(url)
        }
        if wrong:
            raise serializers.ValidationError(wrong)
        return found


def odd(url: str) -> bool:
    """People will follow it: nothing but the web, and no name and password in it."""
    if not url.isprintable() or " " in url or "\\" in url:
        return True
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return True
    return parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc


class ResultInput(LeaseInput):
    processor = serializers.ChoiceField(Processor.choices)
    result = serializers.JSONField(allow_null=True, help_text="At most 1 MB, 32 deep.")
    artefacts = ArtefactsField(
        required=False, default=list, max_length=MOST_ARTEFACTS, help_text="URLs of what was made."
    )

    def validate_result(self, given: Any) -> Any:
        fault = fault_of(given)  # before it is written again: it bounds the depth
        if not fault and len(json.dumps(given, ensure_ascii=False).encode()) > LARGEST:
            fault = f"is longer than {LARGEST} bytes"
        if fault:
            raise serializers.ValidationError(fault)
        return given


class FailInput(LeaseInput):
    processor = serializers.ChoiceField(
        Processor.choices, required=False, allow_null=True, default=None,
        help_text="Without it everything under the lease failed.",
    )  # fmt: skip
    error = serializers.CharField(
        max_length=ERROR_SENT, help_text=f"Why; its first {ERROR_LENGTH} characters are kept."
    )
    retry = serializers.BooleanField(
        required=False, default=True, help_text="False: trying again is useless."
    )


class PriorityInput(StrictSerializer):
    priority = serializers.IntegerField(min_value=-100, max_value=100)


class ClaimedJobSerializer(serializers.ModelSerializer[ProcessingJob]):
    class Meta:
        model = ProcessingJob
        fields = ["id", "kind", "priority", "created_at"]
        read_only_fields = fields


class ClaimedVideoSerializer(serializers.Serializer[Any]):
    uuid = serializers.UUIDField(source="id")
    path = serializers.CharField(help_text="As its owner sees it.")
    location = serializers.CharField(help_text="As SFTPGo's file system has it; may be empty.")
    size = serializers.IntegerField(help_text="Bytes.")
    sha256 = serializers.CharField(help_text="Empty: unknown.")
    name = serializers.CharField()


class ClaimSerializer(serializers.Serializer[Any]):
    job = ClaimedJobSerializer()
    video = ClaimedVideoSerializer(source="job.video")
    processors = serializers.ListField(child=serializers.CharField(), source="attempts")
    attempts = serializers.DictField(
        child=serializers.IntegerField(), help_text="Claims of each step, this one included."
    )
    lease = serializers.UUIDField()
    leased_until = serializers.DateTimeField()


class HeldSerializer(serializers.Serializer[Any]):
    leased_until = serializers.DateTimeField()
    processors = serializers.ListField(
        child=serializers.CharField(), help_text="Still under the lease."
    )


class ReleasedSerializer(serializers.Serializer[Any]):
    processors = serializers.ListField(child=serializers.CharField())


class FailedSerializer(serializers.Serializer[Any]):
    steps = serializers.DictField(
        child=serializers.ChoiceField(["queued", "dead"]), help_text="What became of each."
    )


class JobBriefSerializer(serializers.ModelSerializer[ProcessingJob]):
    class Meta:
        model = ProcessingJob
        fields = ["id", "state", "priority"]
        read_only_fields = fields
