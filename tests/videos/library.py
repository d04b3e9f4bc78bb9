"""Videos for tests of the lists, and whose they are."""

from typing import Any

from django.db import transaction
from rest_framework.test import APIClient

from accounts.models import User
from accounts.services import storage
from tests import make
from tests.apikeys.calls import client
from videos.models import Source, Video
from videos.services.jobs import create_job

VIDEOS = "/api/v1/videos"
JOBS = "/api/v1/jobs"
ADMIN_VIDEOS = "/api/v1/admin/videos"
ADMIN_JOBS = "/api/v1/admin/jobs"


def holder(name: str = "alice", quota: int | None = 100) -> User:
    made = make.member(name)
    User.objects.filter(pk=made.pk).update(quota_size=quota)
    return User.objects.get(pk=made.pk)


def caller(owner: User) -> APIClient:
    return client(make.key(owner).secret)


@transaction.atomic
def video(owner: User | None, name: str = "a.mp4", size: int = 10, **given: Any) -> Video:
    """Registered, counted and with a job."""
    if owner is not None:
        storage.take_anyway(owner.pk, size)
    values = {"path": f"/{name}", "name": name, "size": size, "source": Source.REST, **given}
    made = Video.objects.create(owner=owner, **values)
    create_job(made)
    return made


def used(owner: User) -> int:
    return storage.storage_of(owner.pk).used


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["name"] for row in answer.json()["results"]]
