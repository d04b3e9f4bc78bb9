"""Upload sessions: room kept for a file that is on its way. Each ends once: as a video, by release,
or by its time; the member's row is locked before it, as before any video of theirs.
"""

from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import User
from accounts.services import storage
from momentry.common.errors import MomentryError
from videos.models import Source, Upload, UploadState
from videos.services import daily
from videos.services.registering import Registered, register

AT_ONCE: Final = 1000  # members whose sessions one look finds
ENDED: Final = "This upload is {}: register the file instead."


class Started(NamedTuple):
    upload: Upload
    created: bool


@transaction.atomic
def start(owner: User, path: str, size: int) -> Started:
    """Keep ``size`` bytes for the file at ``path`` (clean); one session is open for a path at a
    time. MomentryError storage_quota_exceeded, member_suspended; conflict for another size."""
    now = timezone.now()
    lock(owner.pk)
    end(owner.pk, Q(path=path, expires_at__lte=now), UploadState.EXPIRED, now)
    upload = Upload.objects.filter(owner=owner, path=path, state=UploadState.OPEN).first()
    if upload is None:
        return Started(keep(owner, path, size, now), created=True)
    if upload.size != size:
        raise MomentryError(
            "conflict", f"An upload of {upload.size} bytes to this path is open: release it first."
        )
    return Started(upload, created=False)


def keep(owner: User, path: str, size: int, now: datetime) -> Upload:
    daily.check(User.objects.get(pk=owner.pk), size)
    storage.reserve(owner.pk, size)
    return Upload.objects.create(
        owner=owner, path=path, size=size, expires_at=now + settings.UPLOAD_TTL
    )


@transaction.atomic
def commit(
    owner: User,
    upload_id: UUID,
    *,
    size: int | None = None,
    sha256: str = "",
    location: str = "",
    processors: list[str] | None = None,
    actor: str,
) -> Registered:
    """The file has come, in the size that was kept unless another is said; only what is more must
    fit. A session whose time is over is good until it is ended. Repeating it changes nothing.

    MomentryError not_found, conflict for one that was released or has expired, and register()'s.
    """
    lock(owner.pk)
    upload = find(owner, upload_id)
    if upload.state == UploadState.COMMITTED and upload.video is not None:
        job = upload.video.jobs.order_by("-created_at", "-pk").first()
        if job is not None:
            return Registered(upload.video, job, created=False)
    if upload.state != UploadState.OPEN:
        raise MomentryError("conflict", ENDED.format(upload.state))
    return register(  # it ends the session that is open for the path
        owner,
        upload.path,
        upload.size if size is None else size,
        sha256=sha256,
        location=location,
        source=Source.UPLOAD,
        processors=processors,
        actor=actor,
    )


@transaction.atomic
def release(owner: User, upload_id: UUID) -> Upload:
    """Give the room back. Repeating it changes nothing. MomentryError not_found, conflict."""
    lock(owner.pk)
    if find(owner, upload_id).state == UploadState.COMMITTED:
        raise MomentryError("conflict", "This upload is committed: delete the video instead.")
    end(owner.pk, Q(pk=upload_id), UploadState.RELEASED, timezone.now())
    return find(owner, upload_id)


@transaction.atomic
def release_all(owner: User) -> int:
    """Of a member who may upload no more; how many were open."""
    lock(owner.pk)
    return end(owner.pk, Q(), UploadState.RELEASED, timezone.now())


def expire(now: datetime) -> int:
    """End the sessions whose time is over; how many. A member's are one transaction, and whoever
    comes second to a member finds nothing left: it may run twice and at once."""
    due = Q(expires_at__lte=now)
    rows = Upload.objects.filter(due, state=UploadState.OPEN).order_by()
    ended = 0
    while owners := list(rows.values_list("owner_id", flat=True).distinct()[:AT_ONCE]):
        for owner_id in owners:
            with transaction.atomic():
                lock(owner_id)
                ended += end(owner_id, due, UploadState.EXPIRED, now)
    return ended


def lock(member_id: UUID) -> None:
    list(User.objects.select_for_update(no_key=True).filter(pk=member_id).values_list("pk"))


def end(owner_id: UUID, which: Q, state: UploadState, now: datetime) -> int:
    """Those that are still open, with what was kept for them. The member's row is locked."""
    rows = Upload.objects.filter(which, owner_id=owner_id, state=UploadState.OPEN)
    sizes = dict(rows.values_list("pk", "size"))
    if sizes:
        Upload.objects.filter(pk__in=sizes).update(state=state, ended_at=now)
        storage.release(owner_id, sum(sizes.values()))
    return len(sizes)


def uploads_of(owner: User) -> QuerySet[Upload]:
    return Upload.objects.filter(owner=owner)


def find(owner: User, upload_id: UUID) -> Upload:
    """Another member's is not there."""
    found = uploads_of(owner).select_related("video").filter(pk=upload_id).first()
    if found is None:
        raise MomentryError("not_found")
    return found
