"""/api/v1/jobs/claim and what a worker says of the job it has."""

import random
from typing import Any, Final
from uuid import UUID

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apikeys.api import reference as ref
from apikeys.api.answers import read
from momentry.common.access import access_of
from momentry.common.errors import MomentryError
from videos.api import workforms as forms
from videos.services import leases, queue, results
from videos.waiting import PAUSES, WAIT

SCOPE: Final = "jobs:work"
JOB_ID: Final = OpenApiParameter("id", UUID, OpenApiParameter.PATH, description="The job's id.")
CODES: Final = (*ref.ALWAYS, "not_found", "lease_lost", "invalid_input")
LEASE: Final = "6f1c1f5e-3a54-4f0e-9c9b-0c9f3a1f2b7d"
CLAIM: Final = OpenApiExample(
    "Speech, for up to 20 seconds",
    {"processors": ["asr"], "worker": "gpu-1", "wait_seconds": 20, "lease_seconds": 120},
    request_only=True,
)
RESULT: Final = OpenApiExample(
    "A transcript",
    {
        "lease": LEASE, "processor": "asr", "result": {"language": "en", "segments": 42},
        "artefacts": ["https://media.example.org/transcripts/42.vtt"],
    },
    request_only=True,
)  # fmt: skip
FAILURE: Final = OpenApiExample(
    "Try again later",
    {"lease": LEASE, "processor": "asr", "error": "the decoder ended with 1"},
    request_only=True,
)


class WorkView(APIView):
    """For services' keys, whatever scopes a member's holds."""

    scopes = {"POST": SCOPE}

    def check_permissions(self, request: Request) -> None:
        super().check_permissions(request)
        if access_of(request._request).is_member_key:
            raise MomentryError("insufficient_scope", f"This needs the scope {SCOPE}.", scope=SCOPE)


def actor(request: Request) -> str:
    return access_of(request._request).actor


def holder(request: Request, pk: UUID, given: dict[str, Any]) -> leases.Holder:
    return leases.Holder(pk, given["lease"], actor(request))


def told(serializer: type[serializers.BaseSerializer[Any]], found: Any) -> Response:
    return Response(serializer(found).data, headers={"Cache-Control": "no-store"})


class Claim(WorkView):
    @extend_schema(
        operation_id="jobs_claim",
        request=forms.ClaimInput,
        responses={
            200: forms.ClaimSerializer, 204: None, **ref.problems(*ref.ALWAYS, "invalid_input"),
        },
        examples=[CLAIM],
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """The best job that waits for one of these processors, by priority, then age: with all its
        steps that wait and this worker can do, under one lease. 204 where there is none, after
        `wait_seconds` at most; with `Retry-After` where so many workers wait that this one was
        not let in."""
        given = read(forms.ClaimInput, request)
        processors = sorted(set(given["processors"]))
        claim = queue.claim(
            processors,
            worker=given["worker"],
            seconds=given["lease_seconds"],
            actor=actor(request),
        )
        if claim is not None:
            return told(forms.ClaimSerializer, claim)
        headers = {"Retry-After": str(random.choice(PAUSES))}  # noqa: S311  no secret
        if given["wait_seconds"]:
            headers[WAIT] = f"{given['wait_seconds']} {' '.join(processors)}"
        return Response(status=204, headers=headers)


class Heartbeat(WorkView):
    @extend_schema(
        operation_id="jobs_heartbeat",
        parameters=[JOB_ID],
        request=forms.HeartbeatInput,
        responses={200: forms.HeldSerializer, **ref.problems(*CODES)},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """The lease lasts `lease_seconds` from now, or as long as before. 409 `lease_lost`: the
        job was cancelled, or another worker has it; stop."""
        given = read(forms.HeartbeatInput, request)
        held = leases.extend(
            holder(request, pk, given),
            seconds=given["lease_seconds"],
            progress=given["progress"],
        )
        return told(forms.HeldSerializer, held)


class Results(WorkView):
    @extend_schema(
        operation_id="jobs_results",
        parameters=[JOB_ID],
        request=forms.ResultInput,
        responses={200: forms.JobBriefSerializer, **ref.problems(*CODES, "conflict")},
        examples=[RESULT],
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """What one processor made of the video: its step is done. The same again is answered the
        same; another result for a step that has one is 409 `conflict`."""
        given = read(forms.ResultInput, request)
        job = results.keep_result(
            holder(request, pk, given),
            given["processor"],
            result=given["result"],
            artefacts=given["artefacts"],
        )
        return told(forms.JobBriefSerializer, job)


class Complete(WorkView):
    @extend_schema(
        operation_id="jobs_complete",
        parameters=[JOB_ID],
        request=forms.LeaseInput,
        responses={200: forms.JobBriefSerializer, **ref.problems(*CODES, "conflict")},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Is there a result for all that was claimed? 409 `conflict` names in `processors` what
        has none; `lease_lost`."""
        given = read(forms.LeaseInput, request)
        return told(forms.JobBriefSerializer, results.complete(holder(request, pk, given)))


class Fail(WorkView):
    @extend_schema(
        operation_id="jobs_fail",
        parameters=[JOB_ID],
        request=forms.FailInput,
        responses={200: forms.FailedSerializer, **ref.problems(*CODES)},
        examples=[FAILURE],
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """One step, or all under the lease, did not succeed. It is tried again, 30 seconds later
        and then after twice as long each time, until it was claimed five times; without `retry`
        never. The other steps of the job go on."""
        given = read(forms.FailInput, request)
        steps = leases.fail(
            holder(request, pk, given),
            processor=given["processor"],
            error=given["error"],
            retry=given["retry"],
        )
        return told(forms.FailedSerializer, {"steps": steps})


class Release(WorkView):
    @extend_schema(
        operation_id="jobs_release",
        parameters=[JOB_ID],
        request=forms.LeaseInput,
        responses={200: forms.ReleasedSerializer, **ref.problems(*CODES)},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """A worker that ends gives back what it has no result of: others claim it at once, and
        no attempt is counted."""
        given = read(forms.LeaseInput, request)
        names = leases.release(holder(request, pk, given))
        return told(forms.ReleasedSerializer, {"processors": names})
