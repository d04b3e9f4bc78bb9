"""Files are read for their digest, one at a time, by whoever holds the lease; what is on disk sets
the size right. A reader that was killed leaves a lease that ends, and the file is read anew."""

import hashlib
import logging
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import User
from accounts.services import storage
from events.kinds import Kind
from events.services import record
from videos import files
from videos.filemodels import FileReading
from videos.models import Video
from videos.services.registering import register

logger = logging.getLogger(__name__)
ACTOR: Final = "hashing"
AT_ONCE: Final = 1  # files read at once, in all processes: disks serve uploads first
CHUNK: Final = 1024**2
BEAT_SECONDS: Final = 5.0
LEASE: Final = timedelta(seconds=60)
LATER: Final = timedelta(seconds=60)  # for a file that changes, or is not there yet; doubled
TRIES: Final = 8


class Claim(NamedTuple):
    """What was known of the file as its reading began."""

    video: UUID
    lease: UUID
    location: str
    size: int
    sha256: str


class ChangedError(Exception):
    """The file is not what it was when its reading began."""


class LostError(Exception):
    """Somebody else has the lease, or the file was replaced or deleted."""


def read_waiting(until: float) -> int:
    """All that wait, one after the other; none is begun after ``until`` (time.monotonic). How many
    were read?"""
    count = 0
    while time.monotonic() < until and (claim := take_one()) is not None:
        count += read_one(claim)
    return count


@transaction.atomic
def take_one() -> Claim | None:
    """The one that waits longest; None too while others read enough."""
    if settings.SFTPGO is None or not settings.SFTPGO.data_root:
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('file readings', 0))")
    if FileReading.objects.exclude(lease=None).filter(until__gt=Now()).count() >= AT_ONCE:
        return None
    free = Q(reading=None) | Q(reading__until__lte=Now())
    waiting = Video.objects.filter(free, deleted_at=None, hashed_at=None)
    video = (
        waiting.filter(location__startswith=f"{settings.SFTPGO.home_root}/").order_by("pk").first()
    )
    if video is None:
        return None
    lease = uuid4()
    given = {"lease": lease, "until": Now() + LEASE}
    FileReading.objects.update_or_create(video=video, defaults=given)
    return Claim(video.pk, lease, video.location, video.size, video.sha256)


def read_one(claim: Claim) -> bool:
    """Has it a digest now?"""
    try:
        size, digest = read_file(claim)
        finish(claim, size, digest)
    except LostError:
        return False
    except (ChangedError, OSError) as error:
        postpone(claim, type(error).__name__)
        return False
    return True


def read_file(claim: Claim) -> tuple[int, str]:
    """Raises ChangedError, LostError, OSError."""
    place = files.place_of(claim.location)
    if place is None:
        raise ChangedError
    digest = hashlib.sha256()
    with opened(place) as (file, found):
        done, told = 0, time.monotonic()
        while chunk := os.read(file, CHUNK):
            digest.update(chunk)
            done += len(chunk)
            os.posix_fadvise(file, done - len(chunk), len(chunk), os.POSIX_FADV_DONTNEED)
            if time.monotonic() - told >= BEAT_SECONDS:
                hold(claim, done)
                told = time.monotonic()
        if identity(os.fstat(file)) != identity(found) or files.place_of(claim.location) != place:
            raise ChangedError
        if identity(place.lstat()) != identity(found) or done != found.st_size:
            raise ChangedError
    return done, digest.hexdigest()


@contextmanager
def opened(place: Path) -> Iterator[tuple[int, os.stat_result]]:
    """No link, and nothing that would keep one waiting, such as a pipe."""
    file = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise ChangedError
        yield file, found
    finally:
        os.close(file)


def identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def hold(claim: Claim, done: int) -> None:
    """Say how far it is, and keep the lease."""
    ours = FileReading.objects.filter(video=claim.video, lease=claim.lease)
    there = Video.objects.filter(pk=claim.video, deleted_at=None)
    if not ours.update(until=Now() + LEASE) or not there.update(hashed_bytes=done):
        raise LostError


def let_go(video: UUID) -> None:
    """Its file was replaced: whoever reads it reads in vain, and it waits again."""
    FileReading.objects.filter(video=video).delete()
    Video.objects.filter(pk=video).update(hashed_at=None, hashed_bytes=0)


@transaction.atomic
def postpone(claim: Claim, why: str) -> None:
    """A file that is not there at last keeps what is known of it."""
    waiting = FileReading.objects.select_for_update().filter(video=claim.video, lease=claim.lease)
    if lock(claim.video) is None or (row := waiting.first()) is None:
        return
    row.attempts += 1
    if row.attempts >= TRIES:
        Video.objects.filter(pk=claim.video).update(hashed_at=Now(), hashed_bytes=0)
        row.delete()
        logger.info("not read", extra={"video": claim.video.hex, "error": why})
        return
    row.lease, row.until = None, Now() + LATER * 2 ** (row.attempts - 1)
    row.save()


@transaction.atomic
def finish(claim: Claim, size: int, digest: str) -> None:
    """Raises LostError."""
    owner = lock_owner(claim.video)
    video = lock(claim.video)
    ours = FileReading.objects.select_for_update().filter(video=claim.video, lease=claim.lease)
    is_known = video is not None and video.deleted_at is None and video.owner_id == owner
    if video is None or not is_known or not ours.exists() or not is_same(video, claim):
        raise LostError
    if video.sha256 and video.sha256 != digest:
        given: dict[str, Any] = {
            "sha256": digest,
            "location": video.location,
            "source": video.source,
        }
        video = register(video.owner, video.path, size, anyway=True, actor=ACTOR, **given).video
    elif video.size != size:
        measured(video, size)
    video.sha256, video.hashed_bytes, video.version = digest, size, video.version + 1
    video.save(update_fields=["sha256", "hashed_bytes", "version"])
    Video.objects.filter(pk=video.pk).update(hashed_at=Now(), updated_at=Now())
    ours.delete()


def lock_owner(video: UUID) -> UUID | None:
    """Members before videos, as everywhere."""
    owner = Video.objects.filter(pk=video).values_list("owner", flat=True).first()
    if owner is not None:
        User.objects.select_for_update(no_key=True).only("pk").get(pk=owner)
    return owner


def lock(video: UUID) -> Video | None:
    """Videos before their readings, as whoever tells that a file was replaced."""
    return Video.objects.select_for_update(no_key=True).filter(pk=video).first()


def is_same(video: Video, claim: Claim) -> bool:
    return (video.location, video.size, video.sha256) == (claim.location, claim.size, claim.sha256)


def measured(video: Video, size: int) -> None:
    """What is on disk counts, whether it fits or not."""
    before, video.size = video.size, size
    if video.owner_id is not None and size > before:
        video.over_quota = not storage.take_anyway(video.owner_id, size - before)
    elif video.owner_id is not None:
        storage.give_back(video.owner_id, before - size)
    video.save(update_fields=["size", "over_quota"])
    details = {"owner": video.owner_id, "path": video.path, "before": before, "size": size}
    record(Kind.VIDEO_MEASURED, actor=ACTOR, subject=f"video:{video.pk.hex}", **details)
