"""The end of deleted videos: the row with its jobs, and the file where this machine sees it.

The file goes before the row's end is committed: whoever is killed in between leaves a row without
a file, which the next purge ends; never a file that nobody knows. Safe to run twice and at once.
"""

import logging
import os
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from events.kinds import Kind
from momentry.common.errors import MomentryError
from videos.files import place_of
from videos.models import Upload, UploadState, Video
from videos.services.library import Versions, hold, note

logger = logging.getLogger(__name__)
BATCH: Final = 200
LIVES: Final = "Only a deleted video can be purged: delete it first."


def purgeable(now: datetime, age: timedelta) -> QuerySet[Video]:
    """Videos that were deleted that long ago."""
    return Video.objects.filter(deleted_at__lte=now - age)


def purge_videos(now: datetime, age: timedelta, *, actor: str) -> int:
    """How many there were. One transaction for each; one whose file cannot be removed is logged,
    kept, and tried again the next time."""
    purged = 0
    last = None
    while True:
        rows = purgeable(now, age).order_by("pk").values_list("pk", flat=True)
        found = list((rows.filter(pk__gt=last) if last else rows)[:BATCH])
        if not found:
            return purged
        for video_id in found:
            try:
                purged += purge_if_due(video_id, now - age, actor=actor)
            except OSError as error:
                told = {"video": video_id.hex, "error": error.strerror}
                logger.warning("the file of a deleted video cannot be removed", extra=told)
        last = found[-1]


@transaction.atomic
def purge_if_due(video_id: UUID, moment: datetime, *, actor: str) -> bool:
    """False when somebody else did it, or restored the video meanwhile."""
    try:
        video = hold(video_id)
    except MomentryError:
        return False
    if video.deleted_at is None or video.deleted_at > moment:
        return False
    end(video, actor)
    return True


@transaction.atomic
def purge_video(video_id: UUID, *, actor: str, versions: Versions = None) -> None:
    """A deleted one, at once. MomentryError conflict for one that is not; OSError when its file
    cannot be removed."""
    video = hold(video_id, versions=versions)
    if video.deleted_at is None:
        raise MomentryError("conflict", LIVES)
    end(video, actor)


def end(video: Video, actor: str) -> None:
    removed = is_last(video) and remove(video)
    note(Kind.VIDEO_PURGED, video, actor, size=video.size, file_removed=removed)
    video.delete()


def is_last(video: Video) -> bool:
    """Does nobody else need what lies at its location? Another may have come there, be on its way,
    or wait to be restored."""
    if video.file_gone or not video.location:
        return False
    others = Video.objects.exclude(pk=video.pk).exclude(file_gone=True)
    if others.filter(location=video.location).exists():
        return False
    if video.owner_id is None:
        return True
    place = {"owner": video.owner_id, "path": video.path}
    coming = Upload.objects.filter(**place, state=UploadState.OPEN)
    return not (others.filter(**place, deleted_at=None).exists() or coming.exists())


def remove(video: Video) -> bool:
    """Remove its file, unless it was written, renamed or replaced after the deletion: then it is
    not the one that was deleted. False when there is none to remove."""
    place = place_of(video.location)
    if place is None or video.deleted_at is None or settings.SFTPGO is None:
        return False
    root = os.path.realpath(settings.SFTPGO.data_root)
    *folders, name = place.relative_to(root).parts
    try:
        folder = open_folder(root, folders)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if max(found.st_mtime, found.st_ctime) > video.deleted_at.timestamp():
            return False
        os.unlink(name, dir_fd=folder)  # a link itself, never what it points at
    except FileNotFoundError:
        return False
    finally:
        os.close(folder)
    return True


def open_folder(root: str, folders: list[str]) -> int:
    """Step by step, so that no link that a member puts there meanwhile leads elsewhere."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    folder = os.open(root, flags)
    for name in folders:
        try:
            inner = os.open(name, flags, dir_fd=folder)
        finally:
            os.close(folder)
        folder = inner
    return folder
