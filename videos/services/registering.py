"""register(): a member's file becomes a video, counted once, with a job. Room that an upload
session kept for it ends here, whoever tells that the file has come.
"""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from django.db import transaction
from django.utils import timezone

from accounts.models import Status, User
from accounts.services import storage
from events.changes import changes
from events.kinds import Kind
from events.services import record
from momentry.common.errors import MomentryError
from videos import paths
from videos.models import ProcessingJob, Upload, UploadState, Video
from videos.services import daily
from videos.services.jobs import cancel_open, create_job
from videos.services.wake import waker

# Asked for every file: the ORM takes longer to compose them than PostgreSQL to answer.
HOLD: Final = """
SELECT id, status, is_staff, quota_size, quota_daily, quota_used, quota_reserved
  FROM accounts_user WHERE id = %s FOR NO KEY UPDATE
"""
KNOWN: Final = """
SELECT * FROM videos_video
 WHERE owner_id = %s AND path = %s AND deleted_at IS NULL FOR NO KEY UPDATE
"""


class Registered(NamedTuple):
    """``created``: it was not known before. A file that was replaced was known."""

    video: Video
    job: ProcessingJob
    created: bool


@dataclass(frozen=True)
class Arrival:
    """What came. ``anyway``: the file is there already, so it is counted whether it fits or not."""

    path: str
    size: int
    sha256: str
    location: str
    source: str
    processors: list[str] | None
    priority: int = 0
    anyway: bool = False
    actor: str = ""


@transaction.atomic
def register(  # noqa: PLR0913  what a file's arrival has to say, by name
    owner: User | None,
    path: str,
    size: int,
    *,
    sha256: str = "",
    location: str = "",
    source: str,
    processors: list[str] | None = None,
    priority: int = 0,
    anyway: bool = False,
    actor: str,
) -> Registered:
    """A new video, the known one, or the known one with its file replaced: then the difference is
    counted, and it is processed again. ``path`` as paths.clean() gives it. ``owner`` None is for
    import only, which then says the ``location``.

    MomentryError storage_quota_exceeded, member_suspended, invalid_input; nothing is written then.
    """
    came = Arrival(path, size, sha256, location, source, processors, priority, anyway, actor)
    return receive(owner, came)


def receive(owner: User | None, came: Arrival) -> Registered:
    """As register(), in a transaction that its caller gives up on an error: a savepoint more costs
    two questions of the database for each file."""
    path, size, anyway = came.path, came.size, came.anyway
    if owner is None:
        return unowned(came)
    member = holder(owner, came)
    kept = kept_for(member, path)
    video = next(iter(Video.objects.raw(KNOWN, [member.pk, path])), None)
    if video is None:
        over = count(member, came, kept, size)
        done = first(member, came, over_quota=over and anyway)
    elif is_same(video, came):
        if kept is not None:
            count(member, came, kept, 0)
        done = again(video, came)
    else:
        over = count(member, came, kept, size - video.size)
        done = replaced(video, came, over_quota=over and (anyway or video.over_quota))
    done.video.owner = member  # as it is now, for who tells what is left
    if kept is not None:
        end(kept, done.video)
    transaction.on_commit(waker.wake)
    return done


def holder(owner: User, came: Arrival) -> User:
    """The member's row, locked to the end of the transaction before any of its videos: one order
    for everybody."""
    (member,) = User.objects.raw(HOLD, [owner.pk])
    if not came.anyway and (member.status != Status.ACTIVE or member.is_staff):
        raise MomentryError("member_suspended")
    return member


def kept_for(member: User, path: str) -> Upload | None:
    """The session that waits for this file; no query for members who have none open."""
    if not member.quota_reserved:
        return None
    uploads = Upload.objects.select_for_update(no_key=True)
    return uploads.filter(owner=member, path=path, state=UploadState.OPEN).first()


def is_same(video: Video, came: Arrival) -> bool:
    """Digests that are not known tell nothing."""
    differs = came.sha256 and video.sha256 and came.sha256 != video.sha256
    return video.size == came.size and not differs


def count(member: User, came: Arrival, kept: Upload | None, more: int) -> bool:
    """Count ``more`` bytes in place of those that were kept. Is the storage over full then?"""
    reserved = kept.size if kept is not None else 0
    if more > reserved and not came.anyway:
        daily.check(member, more - reserved)
    stored = storage.commit(member.pk, reserved, more, anyway=came.anyway)
    member.quota_size, member.quota_used, member.quota_reserved = stored
    return not stored.fits


def first(owner: User | None, came: Arrival, *, over_quota: bool = False) -> Registered:
    video = Video.objects.create(
        owner=owner, path=came.path, location=came.location, name=paths.name_of(came.path),
        size=came.size, sha256=came.sha256, over_quota=over_quota, source=came.source,
    )  # fmt: skip
    job = create_job(video, came.processors, came.priority)
    note(Kind.VIDEO_REGISTERED, video, came, source=came.source)
    return Registered(video, job, created=True)


def again(video: Video, came: Arrival) -> Registered:
    """Nothing new, but perhaps for what was not known of it."""
    news = {
        name: value
        for name in ("sha256", "location")
        if (value := getattr(came, name)) and not getattr(video, name)
    }
    if news:
        told = changes({name: getattr(video, name) for name in news}, news)
        change(video, **news)
        note(Kind.VIDEO_UPDATED, video, came, **told)
    job = video.jobs.order_by("-created_at", "-pk").first()
    return Registered(video, job or create_job(video, came.processors, came.priority), False)


def replaced(video: Video, came: Arrival, *, over_quota: bool = False) -> Registered:
    """What was known of the old file is forgotten, and what is still done for it is ended."""
    before = video.size
    change(
        video, size=came.size, sha256=came.sha256, hashed_bytes=0, hashed_at=None,
        location=came.location or video.location, over_quota=over_quota, file_gone=False,
    )  # fmt: skip
    cancel_open(video, came.actor)
    job = create_job(video, came.processors, came.priority)
    note(Kind.VIDEO_REPLACED, video, came, before=before)
    return Registered(video, job, created=False)


def change(video: Video, **fields: Any) -> None:
    fields = {**fields, "version": video.version + 1, "updated_at": timezone.now()}
    for name, value in fields.items():
        setattr(video, name, value)
    video.save(update_fields=list(fields))


def note(kind: Kind, video: Video, came: Arrival, **details: Any) -> None:
    owner = str(video.owner_id) if video.owner_id else None
    record(
        kind, actor=came.actor, subject=f"video:{video.pk.hex}",
        owner=owner, path=video.path, size=video.size, over_quota=video.over_quota, **details,
    )  # fmt: skip


def end(kept: Upload, video: Video) -> None:
    kept.state, kept.video, kept.ended_at = UploadState.COMMITTED, video, timezone.now()
    kept.save(update_fields=["state", "video", "ended_at"])


def unowned(came: Arrival) -> Registered:
    """Nobody's bytes are counted; ``location`` tells one from another."""
    if not came.location:
        raise ValueError("a file without an owner is known by its location")
    videos = Video.objects.select_for_update(no_key=True)
    video = videos.filter(owner=None, location=came.location, deleted_at=None).first()
    if video is None:
        return first(None, came)
    return again(video, came) if is_same(video, came) else replaced(video, came)
