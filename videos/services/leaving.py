"""What becomes of a purged member's videos: nobody's, another member's, or deleted."""

from typing import Any

from django.db.models import CharField, Exists, F, OuterRef, QuerySet, Value
from django.db.models.functions import Cast, Concat, Left, Now

from accounts.models import User
from accounts.services import storage
from events.kinds import Kind
from events.services import record
from videos.models import (
    PATH_LENGTH,
    JobState,
    ProcessingJob,
    Upload,
    UploadState,
    Video,
)
from videos.services.jobs import cancel_open

OPEN = (JobState.QUEUED, JobState.RUNNING)


def keep(member: User, label: str, *, actor: str) -> None:
    """Nobody's from now on; ``label`` says whose they were. What an import found at the same
    location is there already: of two rows for one file the member's goes."""
    live = live_of(member)
    nobodys = Video.objects.filter(owner=None, deleted_at=None, location=OuterRef("location"))
    delete_rows(live.exclude(location="").filter(Exists(nobodys)), actor)
    count = hand_over(member, None, label)
    end(member, actor, "keep", count)


def reassign(member: User, label: str, heir: User, *, actor: str) -> None:
    """To the heir, whether they fit or not. Where it has a video at the same path, the path gets
    the id of the one that came before it."""
    live = live_of(member)
    total = sum(live.values_list("size", flat=True))
    same = Video.objects.filter(owner=heir, deleted_at=None, path=OuterRef("path"))
    own = Concat(Value("/"), Cast("id", CharField()), F("path"), output_field=CharField())
    live.filter(Exists(same)).update(path=Left(own, PATH_LENGTH))
    fits = storage.take_anyway(heir.pk, total)
    live.update(over_quota=not fits)
    count = hand_over(member, heir, label)
    end(member, actor, "reassign", count, heir=str(heir.pk))


def delete(member: User, *, actor: str) -> None:
    """Softly: the nightly purge ends them when their time is over."""
    count = delete_rows(live_of(member), actor)
    end(member, actor, "delete", count)


def live_of(member: User) -> QuerySet[Video]:
    return Video.objects.filter(owner=member, deleted_at=None)


def delete_rows(videos: QuerySet[Video], actor: str) -> int:
    for video in videos.filter(Exists(unfinished())).iterator():
        cancel_open(video, actor)
    return changed(videos, deleted_at=Now(), over_quota=False)


def unfinished() -> QuerySet[ProcessingJob]:
    return ProcessingJob.objects.filter(video=OuterRef("pk"), state__in=OPEN)


def hand_over(member: User, owner: User | None, label: str) -> int:
    """All rows, also deleted ones, with their jobs."""
    ProcessingJob.objects.filter(video__owner=member).update(owner=owner)
    return changed(Video.objects.filter(owner=member), owner=owner, owner_label=label)


def changed(videos: QuerySet[Video], **fields: Any) -> int:
    return videos.update(version=F("version") + 1, updated_at=Now(), **fields)


def end(member: User, actor: str, policy: str, count: int, **details: Any) -> None:
    """No video of it is left that counts, and nothing is on its way."""
    uploads = Upload.objects.filter(owner=member, state=UploadState.OPEN)
    uploads.update(state=UploadState.RELEASED, ended_at=Now())
    stored = storage.storage_of(member.pk)
    storage.give_back(member.pk, stored.used)
    storage.release(member.pk, stored.reserved)
    if count:
        kind = Kind.VIDEO_DELETED if policy == "delete" else Kind.VIDEO_REASSIGNED
        subject = f"member:{member.pk.hex}"
        record(kind, actor=actor, subject=subject, policy=policy, videos=count, **details)
