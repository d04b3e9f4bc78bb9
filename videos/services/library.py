"""What its owner and staff do with a video: rename, delete, restore, reassign.

Whoever moves bytes locks the members' rows first, in the order of their ids, then the video's: one
order everywhere, so nobody waits in a circle.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Status, User
from accounts.services import storage
from events.changes import changes
from events.kinds import Kind
from events.services import record
from momentry.common.errors import MomentryError
from videos.models import ProcessingJob, StepState, Video
from videos.services.jobs import cancel_open, create_job

Versions = Collection[int] | None
TRIES: Final = 5  # as often may a video change its owner while somebody waits for it
GONE: Final = "The file itself was deleted: there is nothing to restore."
TOO_LATE: Final = "This video was deleted too long ago."
TAKEN: Final = "There is another video at its path by now."


def hold(video_id: UUID, *, versions: Versions = None, also: UUID | None = None) -> Video:
    """The video as it is now, with its owner's row and ``also`` (another member's) locked before
    it. MomentryError not_found, precondition_failed when it has none of the ``versions``."""
    for _ in range(TRIES):
        with transaction.atomic():  # which lets go of what was locked in vain
            owner = Video.objects.filter(pk=video_id).values_list("owner", flat=True).first()
            lock_members({owner, also} - {None})
            video = Video.objects.select_for_update(no_key=True).filter(pk=video_id).first()
            if video is None:
                raise MomentryError("not_found")
            if video.owner_id in (owner, also, None):
                return in_version(video, versions)
            transaction.set_rollback(True)
    raise MomentryError("conflict", "This video changes hands all the time.")


def in_version(video: Video, versions: Versions) -> Video:
    if versions is not None and video.version not in versions:
        raise MomentryError("precondition_failed")
    return video


def lock_members(ids: Collection[Any]) -> None:
    rows = User.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
    list(rows.values_list("pk", flat=True))


@transaction.atomic
def rename_video(video_id: UUID, name: str, *, actor: str, versions: Versions = None) -> Video:
    """Another name to show; the file keeps its own."""
    video = hold(video_id, versions=versions)
    if video.name != name:
        told = changes({"name": video.name}, {"name": name})
        change(video, name=name)
        note(Kind.VIDEO_UPDATED, video, actor, **told)
    return video


@transaction.atomic
def delete_video(
    video_id: UUID, *, actor: str, versions: Versions = None, file_gone: bool = False
) -> bool:
    """Softly; its space comes back here, once, and what is not processed yet is called off. False
    when it was deleted already. ``file_gone``: not by us, so it cannot be restored."""
    video = hold(video_id, versions=versions)
    if video.deleted_at is not None:
        if file_gone and not video.file_gone:
            change(video, file_gone=True)
        return False
    change(video, deleted_at=timezone.now(), file_gone=file_gone, over_quota=False)
    if video.owner_id is not None:
        storage.give_back(video.owner_id, video.size)
    cancel_open(video, actor)
    note(Kind.VIDEO_DELETED, video, actor, size=video.size, file_gone=file_gone)
    return True


@transaction.atomic
def restore_video(
    video_id: UUID, *, actor: str, versions: Versions = None, anyway: bool = False
) -> Video:
    """Undo a deletion; its bytes must fit again, unless ``anyway``. What was called off by the
    deletion is queued anew. Repeating it is harmless.

    MomentryError storage_quota_exceeded, member_suspended; conflict when the file is gone, the
    purge is due, or its path has another video.
    """
    video = hold(video_id, versions=versions)
    if video.deleted_at is None:
        return video
    refuse_restore(video, timezone.now())
    over = count(video, anyway=anyway)
    move(video, deleted_at=None, over_quota=over)
    process_again(video)
    note(Kind.VIDEO_RESTORED, video, actor, size=video.size, over_quota=over)
    return video


def refuse_restore(video: Video, now: datetime) -> None:
    if video.file_gone:
        raise MomentryError("conflict", GONE)
    if video.deleted_at is not None and video.deleted_at <= now - settings.VIDEO_PURGE_AFTER:
        raise MomentryError("conflict", TOO_LATE)


def count(video: Video, *, anyway: bool) -> bool:
    """Take the bytes of a video from its owner. Is that over its quota?"""
    if video.owner_id is None:
        return False
    if anyway:
        return not storage.take_anyway(video.owner_id, video.size)
    storage.take(video.owner_id, video.size)
    return False


def process_again(video: Video) -> None:
    """Those steps of its newest job that were called off."""
    newest = video.jobs.order_by("-created_at", "-pk").first()
    if newest is None:
        return
    cancelled = newest.steps.filter(state=StepState.CANCELLED)
    if processors := list(cancelled.values_list("processor", flat=True)):
        create_job(video, processors, newest.priority)


@transaction.atomic
def reassign_video(
    video_id: UUID, owner: User | None, *, actor: str, versions: Versions = None,
    anyway: bool = False,
) -> Video:  # fmt: skip
    """Another owner, or none: the bytes of a video that is not deleted move with it, and its jobs
    follow. MomentryError storage_quota_exceeded or member_suspended where they cannot, unless
    ``anyway``; conflict where the new owner has a video at that path."""
    video = hold(video_id, versions=versions, also=owner.pk if owner else None)
    if video.owner_id == (owner.pk if owner else None):
        return video
    if owner is not None:
        refuse_owner(owner)
    former = video.owner
    if former is not None and video.deleted_at is None:
        storage.give_back(former.pk, video.size)
    video.owner = owner
    over = video.deleted_at is None and count(video, anyway=anyway)
    label = former.username if former else video.owner_label
    move(video, owner=owner, owner_label=label, over_quota=over)
    ProcessingJob.objects.filter(video=video).update(owner=owner)
    note(
        Kind.VIDEO_REASSIGNED, video, actor, size=video.size, over_quota=over,
        former=str(former.pk) if former else None, owner=str(owner.pk) if owner else None,
    )  # fmt: skip
    return video


def refuse_owner(owner: User) -> None:
    """Its row is locked, and may be another than the caller has read."""
    status, is_staff = User.objects.values_list("status", "is_staff").get(pk=owner.pk)
    if is_staff or status == Status.DELETED:
        raise no_member()


def no_member() -> MomentryError:
    problem = {"detail": "is not a member", "pointer": "#/owner"}
    return MomentryError("invalid_input", errors=[problem])


def move(video: Video, **fields: Any) -> None:
    """As change(), where the path may be another video's at its new place."""
    try:
        with transaction.atomic():
            change(video, **fields)
    except IntegrityError:
        raise MomentryError("conflict", TAKEN) from None


def change(video: Video, **fields: Any) -> None:
    fields = {**fields, "version": video.version + 1, "updated_at": timezone.now()}
    for name, value in fields.items():
        setattr(video, name, value)
    video.save(update_fields=list(fields))


def note(kind: Kind, video: Video, actor: str, **details: Any) -> None:
    record(kind, actor=actor, subject=subject(video), path=video.path, **details)


def subject(video: Video) -> str:
    return f"video:{video.pk.hex}"
