"""SFTPGo's file hooks: what it asks before an upload, and what it tells afterwards, once each."""

import time
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from accounts.models import Status, User
from momentry.common.errors import MomentryError
from videos.filemodels import FileEvent
from videos.models import Upload, UploadState, Video
from videos.services import daily, filelog
from videos.services.trees import tree_of
from videos.sftpgo import DONE, PRE_UPLOAD, UPLOADS, Told
from videos.timeline import Action

ACTIONS: Final = {
    **dict.fromkeys(UPLOADS, Action.UPLOAD),
    "copy": Action.UPLOAD,
    "delete": Action.DELETE,
    "rename": Action.RENAME,
}
AHEAD_NS: Final = 600 * 10**9  # how far SFTPGo's clock may be ahead of this one


@dataclass(frozen=True)
class Outcome:
    """``status``: done, duplicate, ignored or allowed. The others are of an upload."""

    status: str
    video: UUID | None = None
    over_quota: bool = False


IGNORED: Final = Outcome("ignored")
DUPLICATE: Final = Outcome("duplicate")
ALLOWED: Final = Outcome("allowed")


def receive(told: Told) -> Outcome:
    """MomentryError permission_denied, member_suspended, storage_quota_exceeded for an upload that
    is not to begin; whatever has come to pass is never refused."""
    if told.action == PRE_UPLOAD:
        check_admission(told)
        return ALLOWED
    action = ACTIONS.get(told.action)
    is_nothing = action is Action.RENAME and told.path == told.target
    if action is None or told.status != DONE or is_nothing:
        return IGNORED
    try:
        return take_in(told, action)
    except IntegrityError:  # somebody registered the same file of nobody's, without our lock
        return take_in(told, action)


@transaction.atomic
def take_in(told: Told, action: Action) -> Outcome:
    tree = tree_of(told)
    tree.lock()
    ns, digest = moment_of(told)
    if FileEvent.objects.filter(digest=digest).exists():
        return DUPLICATE
    path, target, location = told.path, told.target, told.target_location or told.location
    if told.action == "copy":
        path, target = told.target, ""
    event = FileEvent.objects.create(
        digest=digest, tree=tree.key, ns=ns, action=action, path=path, target=target, size=told.size
    )
    video = filelog.take_in(tree, event, location)
    return Outcome("done", video, over_quota=video is not None and is_over(video))


def is_over(video: UUID) -> bool:
    found = Video.objects.filter(pk=video, deleted_at=None)
    return bool(found.values_list("over_quota", flat=True).first())


def moment_of(told: Told) -> tuple[int, str]:
    """Without a time, or with one that cannot be, it is of now; without one it may be told twice
    in the same words and be meant twice."""
    now = time.time_ns()
    ns = told.ns if 0 < told.ns <= now + AHEAD_NS else now
    return ns, told.digest if told.ns else uuid4().hex + uuid4().hex


def check_admission(told: Told) -> None:
    """May this upload begin? The size is not known yet; SFTPGo stops it at the quota."""
    member = User.objects.filter(sftpgo_username=told.username, is_staff=False).first()
    if member is None:
        raise MomentryError("permission_denied")
    if member.status != Status.ACTIVE:
        raise MomentryError("member_suspended")
    kept = kept_for(member, told.path)
    if member.quota_size is not None:
        free = member.quota_size - member.quota_used - member.quota_reserved + kept
        if free <= 0:
            raise MomentryError(
                "storage_quota_exceeded", quota=member.quota_size, used=member.quota_used,
                reserved=member.quota_reserved, requested=told.size,
            )  # fmt: skip
    if not kept:
        daily.check(member, 1)


def kept_for(member: User, path: str) -> int:
    """What an open session keeps for this very file."""
    if not member.quota_reserved:
        return 0
    found = Upload.objects.filter(
        owner=member, path=path, state=UploadState.OPEN, expires_at__gt=Now()
    )
    return found.values_list("size", flat=True).first() or 0
