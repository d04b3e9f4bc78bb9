"""Files under SFTPGO_DATA_ROOT that nobody registered become videos: of the member in whose home
they are, else of nobody. Any number of files in the same memory; safe to run twice and at once."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts.models import User
from accounts.services import storage
from events.kinds import Kind
from events.services import record
from momentry.common.errors import MomentryError
from videos import paths
from videos.models import Source, Video
from videos.services import hashing
from videos.services.registering import register

ACTOR: Final = "command"
AT_ONCE: Final = 500
HALF_DONE: Final = ".sftpgo-upload."  # SFTPGo's own names while an upload runs
Keepers = Callable[[Sequence[str]], dict[str, UUID]]


class Registry:
    """Whose homes these directories are, for those that are homes; an app above knows."""

    owners_of: Keepers = staticmethod(lambda _: {})

    def register(self, owners_of: Keepers) -> None:
        self.owners_of = owners_of


keepers: Final = Registry()


class Found(NamedTuple):
    """``location`` as SFTPGo has it; ``path`` as the owner sees it."""

    location: str
    size: int
    owner: UUID | None = None
    path: str = ""


class Result(NamedTuple):
    """``what``: registered, given (an owner to what had none), changed (in size: it will be read),
    known or refused."""

    what: str
    location: str


def import_files(*, is_dry: bool = False) -> Iterator[Result]:
    """Raises ValueError without SFTPGO_DATA_ROOT."""
    if settings.SFTPGO is None or not settings.SFTPGO.data_root:
        raise ValueError("SFTPGO_DATA_ROOT is not set")
    found = walk(Path(settings.SFTPGO.data_root), settings.SFTPGO.home_root)
    while batch := list(islice(found, AT_ONCE)):
        yield from take(batch, is_dry=is_dry)


def walk(root: Path, location: str) -> Iterator[Found]:
    """Regular files, links not followed; what may not be looked into, or is gone, is passed by."""
    waiting = [(str(root), location)]
    while waiting:
        place, there = waiting.pop()
        try:
            entries = os.scandir(place)
        except OSError:
            continue
        with entries:
            for entry in entries:
                inside = f"{there}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((entry.path, inside))
                elif not entry.name.startswith(HALF_DONE) and (size := size_of(entry)) is not None:
                    yield Found(inside, size)


def size_of(entry: os.DirEntry[str]) -> int | None:
    try:
        is_file = entry.is_file(follow_symlinks=False)
        return entry.stat(follow_symlinks=False).st_size if is_file else None
    except OSError:
        return None


def take(batch: Iterable[Found], *, is_dry: bool) -> Iterator[Result]:
    refused: list[Result] = []
    placed = list(with_owners(batch, refused))
    yield from refused
    known, unowned = registered(placed)
    counted = User.objects.in_bulk([each.owner for each in placed if each.owner is not None])
    for found in placed:
        owner = counted.get(found.owner) if found.owner is not None else None
        at_path = known.get((found.owner, found.path)) if owner else unowned.get(found.location)
        orphan = unowned.get(found.location) if owner is not None else None
        what = verdict(found, at_path, orphan)
        if not is_dry:
            settle(what, found, owner, at_path or orphan)
        yield Result(what, found.location)


def with_owners(batch: Iterable[Found], refused: list[Result]) -> Iterator[Found]:
    batch = list(batch)
    above = {each for found in batch if is_text(found.location) for each in directories(found)}
    homes = keepers.owners_of(sorted(above))
    data = settings.SFTPGO.home_root if settings.SFTPGO is not None else ""
    for found in batch:
        home = next((above for above in directories(found) if above in homes), "")
        root = home or data
        try:
            path = paths.clean(found.location.removeprefix(root))
        except MomentryError:
            refused.append(Result("refused", ascii(found.location)))
            continue
        yield found._replace(owner=homes.get(home), path=path)


def directories(found: Found) -> Iterator[str]:
    """Above it, the nearest first."""
    above = found.location.rpartition("/")[0]
    while above:
        yield above
        above = above.rpartition("/")[0]


def is_text(location: str) -> bool:
    """Names on disk are bytes; those that are no UTF-8 come as halves of surrogate pairs."""
    return not any("\ud800" <= char <= "\udfff" for char in location)


Known = dict[tuple[UUID | None, str], Video]


def registered(placed: Sequence[Found]) -> tuple[Known, dict[str, Video]]:
    """By owner and path, and of nobody by location. What its owner deleted while the file stays is
    known too: it is not to come back."""
    owners = {each.owner for each in placed if each.owner is not None}
    of_members = Video.objects.filter(owner__in=owners, path__in=[each.path for each in placed])
    known = {
        (row.owner_id, row.path): row
        for row in of_members.filter(file_gone=False).order_by("deleted_at")  # live ones last
    }
    nobodys = Video.objects.filter(owner=None, deleted_at=None)
    locations = [each.location for each in placed]
    return known, {row.location: row for row in nobodys.filter(location__in=locations)}


def verdict(found: Found, at_path: Video | None, orphan: Video | None) -> str:
    if at_path is not None:
        is_same = at_path.size == found.size or at_path.deleted_at is not None
        return "known" if is_same else "changed"
    return "registered" if orphan is None else "given"


def settle(what: str, found: Found, owner: User | None, video: Video | None) -> None:
    if what == "registered":
        given: dict[str, Any] = {"location": found.location, "source": Source.IMPORT}
        register(owner, found.path, found.size, anyway=True, actor=ACTOR, **given)
    elif what == "given" and video is not None and owner is not None:
        give(video, owner, found.path)
    elif what == "changed" and video is not None:
        hashing.let_go(video.pk)


@transaction.atomic
def give(orphan: Video, owner: User, path: str) -> None:
    """What had no owner has one now, who has its bytes too."""
    User.objects.select_for_update(no_key=True).only("pk").get(pk=owner.pk)
    rows = Video.objects.select_for_update(no_key=True)
    video = rows.filter(pk=orphan.pk, owner=None, deleted_at=None).first()
    if video is None or rows.filter(owner=owner, path=path, deleted_at=None).exists():
        return  # somebody else was faster
    video.owner, video.path, video.version = owner, path, video.version + 1
    video.over_quota = not storage.take_anyway(owner.pk, video.size)
    video.save(update_fields=["owner", "path", "version", "over_quota"])
    video.jobs.update(owner=owner)
    told = {"owner": owner.pk, "path": path, "size": video.size}
    record(Kind.VIDEO_REASSIGNED, actor=ACTOR, subject=f"video:{video.pk.hex}", **told)
