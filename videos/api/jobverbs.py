"""What people do to jobs: members to their own, staff to all."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apikeys.api import reference as ref
from apikeys.api.answers import read
from momentry.common.errors import MomentryError
from momentry.common.idempotency import actor_of
from videos.api.callers import calling_member
from videos.api.work import JOB_ID, told
from videos.api.workforms import JobBriefSerializer, PriorityInput
from videos.models import ProcessingJob
from videos.services import jobs

CHANGE = "videos.change_processingjob"
ANSWERS = {200: JobBriefSerializer, **ref.problems(*ref.WRITES, "permission_denied")}
OVER = "There is nothing to call off: the job has ended."
NOTHING = "There is nothing to do again: no step is dead or cancelled."


def own(request: Request, job_id: UUID) -> ProcessingJob:
    """Another's job is not there. A service's key has none, whoever its owner is."""
    job = ProcessingJob.objects.filter(pk=job_id, owner=calling_member(request)).first()
    if job is None:
        raise MomentryError("not_found")
    return job


def anyones(job_id: UUID) -> ProcessingJob:
    job = ProcessingJob.objects.filter(pk=job_id).first()
    if job is None:
        raise MomentryError("not_found")
    return job


def cancel(request: Request, job: ProcessingJob) -> Response:
    if not jobs.cancel_open(job, actor_of(request)):
        raise MomentryError("conflict", OVER)
    return now(job)


def requeue(request: Request, job: ProcessingJob) -> Response:
    if not jobs.requeue(job, actor_of(request)):
        raise MomentryError("conflict", NOTHING)
    return now(job)


def now(job: ProcessingJob) -> Response:
    job.refresh_from_db()
    return told(JobBriefSerializer, job)


class Cancel(APIView):
    scopes = {"POST": "videos:write"}

    @extend_schema(operation_id="jobs_cancel", parameters=[JOB_ID], request=None, responses=ANSWERS)
    def post(self, request: Request, pk: UUID) -> Response:
        """Call off what has not ended of one's job; results stay. 409 where all has ended."""
        return cancel(request, own(request, pk))


class Requeue(APIView):
    scopes = {"POST": "videos:write"}

    @extend_schema(
        operation_id="jobs_requeue", parameters=[JOB_ID], request=None, responses=ANSWERS
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Do again what is dead or was cancelled of one's job, with all its attempts. 409 where
        there is nothing of that, or the video is deleted."""
        return requeue(request, own(request, pk))


class AnyCancel(APIView):
    scopes = {"POST": "videos:write"}
    staff_permissions = {"POST": CHANGE}

    @extend_schema(
        operation_id="admin_jobs_cancel", parameters=[JOB_ID], request=None, responses=ANSWERS
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Call off what has not ended of any job; results stay. 409 where all has ended."""
        return cancel(request, anyones(pk))


class AnyRequeue(APIView):
    scopes = {"POST": "videos:write"}
    staff_permissions = {"POST": CHANGE}

    @extend_schema(
        operation_id="admin_jobs_requeue", parameters=[JOB_ID], request=None, responses=ANSWERS
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Do again what is dead or was cancelled of any job, with all its attempts."""
        return requeue(request, anyones(pk))


class AnyPriority(APIView):
    scopes = {"POST": "videos:write"}
    staff_permissions = {"POST": CHANGE}

    @extend_schema(
        operation_id="admin_jobs_priority",
        parameters=[JOB_ID],
        request=PriorityInput,
        responses={**ANSWERS, **ref.problems("invalid_input")},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Put a job before others (up to 100) or after them (down to -100); what runs goes on."""
        job = anyones(pk)
        jobs.set_priority(job, read(PriorityInput, request)["priority"], actor_of(request))
        return now(job)
