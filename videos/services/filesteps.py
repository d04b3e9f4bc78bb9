"""What becomes of a video when its file is gone, elsewhere or there again. The tree is locked."""

from django.db.models import Case, F, Value, When
from django.db.models.functions import Concat, Left, Length, Right, Substr
from django.db.models.lookups import Exact
from django.utils import timezone

from events.changes import changes
from events.kinds import Kind
from events.services import record
from videos import paths
from videos.models import Video
from videos.services.jobs import cancel_open, create_job
from videos.services.trees import ACTOR, Tree


def drop(tree: Tree, video: Video) -> None:
    """The file is gone: its space comes back, and no purge time brings it back."""
    now = timezone.now()
    change(video, deleted_at=now, file_gone=True)
    tree.give_back(video.size)
    cancel_open(video, ACTOR)
    note(Kind.VIDEO_DELETED, video)


def bury(tree: Tree, gone: tuple[str, ...]) -> None:
    """Of videos that were deleted here while the file stayed: it is gone now, or another's."""
    deleted = Video.objects.filter(owner=tree.owner, path__in=gone, file_gone=False)
    if tree.owner is None:
        deleted = deleted.filter(owner_label=tree.label)
    deleted.exclude(deleted_at=None).update(file_gone=True, version=F("version") + 1)


def bring_back(tree: Tree, video: Video, path: str, size: int) -> None:
    """It was dropped, but its file had been moved away before."""
    over = not tree.take(size)
    place = {"path": path, "location": location_at(tree, video, path), "name": named(video, path)}
    unread = {"size": size, "sha256": "", "hashed_at": None, "hashed_bytes": 0}
    same = video.size == size
    change(
        video,
        deleted_at=None,
        file_gone=False,
        over_quota=over,
        **place,
        **({} if same else unread),
    )
    create_job(video)
    note(Kind.VIDEO_RESTORED, video)


def move(tree: Tree, video: Video, path: str, location: str = "") -> None:
    """``location``: where SFTPGo says that it is now."""
    location = location or location_at(tree, video, path)
    unread = {} if video.sha256 else {"hashed_at": None}  # it was not found where it was
    told = changes({"path": video.path}, {"path": path})
    change(video, path=path, name=named(video, path), location=location, **unread)
    note(Kind.VIDEO_UPDATED, video, **told)


def move_tree(tree: Tree, source: str, target: str) -> int:
    """Every video under a directory, in one statement. How many? MomentryError invalid_input when
    a path becomes too long."""
    inside = tree.videos().filter(path__startswith=f"{source}/")
    longest = inside.annotate(long=Length("path")).order_by("-long").values_list("long", flat=True)
    if (found := longest.first()) is None:
        return 0
    if found - len(source) + len(target) > paths.LONGEST:
        raise paths.invalid("#/virtual_target_path", "A path below it becomes too long.")
    path = Concat(Value(target), Substr("path", len(source) + 1))
    root = Left("location", Length("location") - Length("path"))
    is_below = Exact(Right("location", Length("path")), F("path"))
    location = Case(When(is_below, then=Concat(root, path)), default=F("location"))
    now = timezone.now()
    count = inside.update(path=path, location=location, version=F("version") + 1, updated_at=now)
    subject = f"member:{tree.owner.pk.hex}" if tree.owner is not None else f"sftpgo:{tree.label}"
    told = changes({"path": f"{source}/"}, {"path": f"{target}/"})
    record(Kind.VIDEO_UPDATED, actor=ACTOR, subject=subject, videos=count, **told)
    return count


def location_at(tree: Tree, video: Video, path: str) -> str:
    if video.location.endswith(video.path):
        return video.location.removesuffix(video.path) + path
    return tree.location_of(path)


def named(video: Video, path: str) -> str:
    """A name that somebody gave it stays."""
    is_own = video.name != paths.name_of(video.path)
    return video.name if is_own else paths.name_of(path)


def change(video: Video, **fields: object) -> None:
    fields = {**fields, "version": video.version + 1, "updated_at": timezone.now()}
    for name, value in fields.items():
        setattr(video, name, value)
    video.save(update_fields=list(fields))


def note(kind: Kind, video: Video, **details: object) -> None:
    owner = str(video.owner_id) if video.owner_id else None
    told = {"owner": owner, "path": video.path, "size": video.size, **details}
    record(kind, actor=ACTOR, subject=f"video:{video.pk.hex}", **told)
