"""What SFTPGo told, applied to videos in the order in which it happened. The tree is locked."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final, NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, Concat, Now

from videos.filemodels import FileEvent
from videos.models import Source, Video
from videos.services import filesteps, hashing
from videos.services.trees import Tree
from videos.timeline import (
    FILE,
    NOTHING,
    TREE,
    Action,
    Change,
    Files,
    Happening,
    Held,
    insert,
    related,
)

KEPT: Final = timedelta(days=7)  # SFTPGo repeats for minutes


def take_in(tree: Tree, event: FileEvent, location: str) -> UUID | None:
    """Apply it and keep what it overwrote. ``location``: of what came, or went there. Of an upload
    the video that it became."""
    late = happening(event)
    later = related(late, [happening(row) for row in later_than(tree, event)])
    if later:
        insert_late(tree, late, later)
    else:
        take_next(tree, late, location)
    for each in (late, *later):
        keep(each)
    return late.video


def take_next(tree: Tree, told: Happening, location: str) -> None:
    """Nothing happened since that it could matter to."""
    filesteps.bury(tree, told.paths)
    if told.action is Action.UPLOAD:
        upload(tree, told, location)
    elif told.action is Action.DELETE:
        delete(tree, told)
    else:
        rename(tree, told, location)


def later_than(tree: Tree, event: FileEvent) -> list[FileEvent]:
    rows = FileEvent.objects.filter(tree=tree.key, ns__gte=event.ns)
    return [row for row in rows if (row.ns, row.digest) > (event.ns, event.digest)]


def upload(tree: Tree, told: Happening, location: str) -> None:
    known = live(tree, told.path)
    told.effect, told.overwrote = FILE, {told.path: held_or_none(known)}
    done = tree.put(told.path, told.size, location)
    told.video = done.video.pk
    if known is not None:
        hashing.let_go(known.pk)  # also where the new content is as long as the old


def delete(tree: Tree, told: Happening) -> None:
    known = live(tree, told.path)
    told.effect, told.overwrote = FILE, {told.path: held_or_none(known)}
    if known is not None and not is_younger(known, told):
        filesteps.drop(tree, known)


def rename(tree: Tree, told: Happening, location: str) -> None:
    """A file onto whatever was there, or all that is in a directory."""
    known = live(tree, told.path)
    if known is None:
        there = under(tree, told.target)
        is_tree = filesteps.move_tree(tree, told.path, told.target) > 0
        told.effect, told.overwrote = (TREE, {**there}) if is_tree else (NOTHING, {})
    elif not is_younger(known, told):
        replaced = live(tree, told.target)
        told.effect = FILE
        told.overwrote = {told.path: held_or_none(known), told.target: held_or_none(replaced)}
        if replaced is not None:
            filesteps.drop(tree, replaced)
        filesteps.move(tree, known, told.target, location)


def is_younger(video: Video, told: Happening) -> bool:
    """Was it registered after that, by somebody who did not learn it from SFTPGo's hook?"""
    return video.source != Source.SFTPGO and video.created_at.timestamp() * 1e9 > told.order[0]


def insert_late(tree: Tree, late: Happening, later: list[Happening]) -> None:
    known = {video.path: as_held(video) for video in concerned(tree, [late, *later])}
    change = insert(known, late, later)
    made = settle(tree, change)
    for each in (late, *later):
        each.video = made.get(each.video, each.video) if each.video else None
        for path, was in each.overwrote.items():
            if was is not None and was.video in made:
                each.overwrote[path] = Held(made[was.video], was.size)


def concerned(tree: Tree, told: list[Happening]) -> QuerySet[Video]:
    named = Q(path__in={path for each in told for path in each.paths})
    for each in told:
        if each.action is Action.RENAME:
            for path in each.paths:
                named |= Q(path__startswith=f"{path}/")
    return tree.videos().filter(named)


def settle(tree: Tree, change: Change) -> dict[UUID, UUID]:
    """Make of the videos what is so now, where that is not what was so without the late one: what
    others did meanwhile stays. Says which videos the new ones became."""
    was, now = places(change.before), places(change.after)
    rows = {row.pk: row for row in locked(was.keys() | now.keys())}
    alive = {pk for pk, row in rows.items() if row.deleted_at is None}
    for pk in sorted(was.keys() - now.keys() & alive):
        filesteps.drop(tree, rows[pk])
    stayed = was.keys() & now.keys() & alive
    moving = [pk for pk in sorted(stayed) if was[pk].path != now[pk].path]
    park(moving)
    for pk in moving:
        make_way(tree, now[pk].path)
        filesteps.move(tree, rows[pk], now[pk].path)
    made = {pk: come(tree, rows.get(pk), now[pk]) for pk in sorted(now.keys() - was.keys())}
    for pk in sorted(stayed):
        if was[pk].size != now[pk].size:
            tree.put(now[pk].path, now[pk].size, "")
    return made


class Place(NamedTuple):
    path: str
    size: int


def places(files: Files) -> dict[UUID, Place]:
    return {held.video: Place(path, held.size) for path, held in files.items()}


def locked(videos: Iterable[UUID]) -> QuerySet[Video]:
    return Video.objects.select_for_update(no_key=True).filter(pk__in=list(videos)).order_by("pk")


def park(videos: list[UUID]) -> None:
    """Two may change places, and no path is taken twice: no member's path begins without /."""
    Video.objects.filter(pk__in=videos).update(
        path=Concat(Value("moving "), Cast("pk", TextField()))
    )


def make_way(tree: Tree, path: str) -> None:
    if (known := live(tree, path)) is not None:
        filesteps.drop(tree, known)


def come(tree: Tree, row: Video | None, place: Place) -> UUID:
    """A video that was dropped is there after all, or a new one."""
    if row is None or row.deleted_at is None:
        return tree.put(place.path, place.size, "").video.pk
    make_way(tree, place.path)
    filesteps.bring_back(tree, row, place.path, place.size)
    return row.pk


def live(tree: Tree, path: str) -> Video | None:
    return tree.videos().select_for_update(no_key=True).filter(path=path).first()


def under(tree: Tree, path: str) -> Files:
    """Nothing, unless something is told late: SFTPGo puts no directory in place of another."""
    return {row.path: as_held(row) for row in tree.videos().filter(path__startswith=f"{path}/")}


def held_or_none(video: Video | None) -> Held | None:
    return as_held(video) if video is not None else None


def as_held(video: Video) -> Held:
    return Held(video.pk, video.size)


def happening(row: FileEvent) -> Happening:
    overwrote = {
        path: Held(UUID(was[0]), was[1]) if was else None for path, was in row.overwrote.items()
    }
    order, action = (row.ns, row.digest), Action(row.action)
    told = Happening(order, action, row.path, row.target, row.size, row.video)
    told.effect, told.overwrote = row.effect, overwrote
    return told


def keep(told: Happening) -> None:
    overwrote = {
        path: [was.video.hex, was.size] if was else None for path, was in told.overwrote.items()
    }
    FileEvent.objects.filter(digest=told.order[1]).update(
        video=told.video, effect=told.effect, overwrote=overwrote
    )


def forget() -> int:
    """What was told more than a week ago."""
    count, _ = FileEvent.objects.filter(received_at__lt=Now() - KEPT).delete()
    return count
