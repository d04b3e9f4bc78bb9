"""The other side of register.py: a Django of one DRF view and no middleware, which asks PostgreSQL
what registering asks and decides nothing. Served by uvicorn as ours is.
"""

import os
from typing import Any, Final
from uuid import UUID

import django
from django.conf import settings

django.setup()
settings.MIDDLEWARE = []
settings.ROOT_URLCONF = __name__

# ruff: noqa: E402  models and views load once Django is set up
from django.core.asgi import get_asgi_application
from django.db import transaction
from django.db.models import F, Q
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from apikeys.models import ApiKey
from events.models import Event
from provisioning.models import SftpgoAccount
from videos.models import ProcessingJob, ProcessingStep, Processor, Source, Video

DETAILS: Final = os.environ.get("BARE_DETAILS", "x" * 200)


class FileSerializer(serializers.Serializer[Any]):
    path = serializers.CharField(max_length=1024)
    size = serializers.IntegerField(min_value=0)


class Bare(APIView):
    authentication_classes = []
    permission_classes = []

    def post(self, request: Request) -> Response:
        read = FileSerializer(data=request.data)
        read.is_valid(raise_exception=True)
        key = ApiKey.objects.select_related("owner").get(pk=UUID(request.headers["X-Key-Id"]))
        video, job = write(key.owner, read.validated_data)  # type: ignore[arg-type]  # a member's
        return Response({"uuid": str(video.pk), "job_id": str(job.pk)}, status=201)


@transaction.atomic
def write(owner: User, given: dict[str, Any]) -> tuple[Video, ProcessingJob]:
    size, place = given["size"], given["path"]
    SftpgoAccount.objects.filter(member=owner).values_list("home_dir", flat=True).first()
    member = User.objects.select_for_update(no_key=True).get(pk=owner.pk)
    known = Video.objects.select_for_update(no_key=True)
    known.filter(owner=member, path=place, deleted_at=None).first()
    fits = Q(quota_size=None) | Q(quota_size__gte=F("quota_used") + F("quota_reserved") + size)
    User.objects.filter(fits, pk=member.pk).update(quota_used=F("quota_used") + size)
    video = Video.objects.create(
        owner=member, path=place, name=place[1:], size=size, source=Source.REST
    )
    job = ProcessingJob.objects.create(video=video, owner=member)
    ProcessingStep.objects.bulk_create(
        ProcessingStep(job=job, processor=name) for name in Processor.values
    )
    Event.objects.create(
        kind="video:registered", actor="bare", subject=f"video:{video.pk.hex}", details=DETAILS
    )
    return video, job


urlpatterns = [path("api/v1/register", Bare.as_view())]
application = get_asgi_application()
