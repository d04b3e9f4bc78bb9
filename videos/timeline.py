"""What a directory tree holds after what SFTPGo told of it, by the order in which it happened, not
by that in which it was heard. Pure.

What was heard is kept with what it overwrote. Something late is put in its place so: what happened
after it is undone, it is applied, and the rest again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID, uuid4


class Action(StrEnum):
    UPLOAD = "upload"
    DELETE = "delete"
    RENAME = "rename"


class Held(NamedTuple):
    """One file; ``video`` stays the same wherever it moves."""

    video: UUID
    size: int


Files = dict[str, Held]
NOTHING: Final = ""
FILE: Final = "file"
TREE: Final = "tree"


@dataclass
class Happening:
    """``order``: nanoseconds, then anything that tells two of the same apart. ``video``: what an
    upload became; ``fresh``: what it is called until then. ``effect``: what a rename found at its
    path; ``overwrote``: what was there before, for each path that it changed."""

    order: tuple[int, str]
    action: Action
    path: str
    target: str = ""
    size: int = 0
    video: UUID | None = None
    fresh: UUID = field(default_factory=uuid4)
    effect: str = NOTHING
    overwrote: dict[str, Held | None] = field(default_factory=dict)

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path, self.target) if self.target else (self.path,)


def overlap(one: Happening, other: Happening) -> bool:
    """May the order of these two matter? One path of theirs is, or is above, one of the other's."""
    return any(is_within(a, b) or is_within(b, a) for a in one.paths for b in other.paths)


def is_within(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root}/")


def related(late: Happening, later: Iterable[Happening]) -> list[Happening]:
    """Those of ``later`` on which it can have an effect, also through others; oldest first."""
    rest = sorted(later, key=lambda each: each.order)
    found: list[Happening] = []
    while True:
        near = [each for each in rest if any(overlap(each, one) for one in (late, *found))]
        if not near:
            return sorted(found, key=lambda each: each.order)
        found += near
        rest = [each for each in rest if each not in near]


class Change(NamedTuple):
    """What the files would be without the late one, and what they are."""

    before: Files
    after: Files


def insert(files: Files, late: Happening, later: Sequence[Happening]) -> Change:
    """``files`` as they are now; ``later``: what happened after it and was applied, oldest first.
    All of them know afterwards what it takes to undo them."""
    base = dict(files)
    for each in reversed(later):
        undo(base, each)
    before = replay(base, later)
    after = replay(base, [late, *later])
    return Change(before, told_apart(before, after))


def told_apart(before: Files, after: Files) -> Files:
    """A video that comes back may have become another file meanwhile, by something that is not
    related: then it comes back as a new one."""
    same = {path for path, held in after.items() if before.get(path) == held}
    taken = {after[path].video for path in same}
    made = dict(after)
    for path in after.keys() - same:
        if after[path].video in taken:
            made[path] = Held(uuid4(), after[path].size)
        taken.add(made[path].video)
    return made


def replay(base: Files, told: Iterable[Happening]) -> Files:
    files = dict(base)
    for each in told:
        apply(files, each)
    return files


def apply(files: Files, told: Happening) -> None:
    """Change ``files``, and keep in ``told`` what it takes to undo that."""
    told.effect, told.overwrote = FILE, {path: files.get(path) for path in told.paths}
    if told.action is Action.UPLOAD:
        told.video = identity(files, told)
        files[told.path] = Held(told.video, told.size)
    elif told.action is Action.DELETE:
        files.pop(told.path, None)
    elif told.path in files:
        files[told.target] = files.pop(told.path)
    else:
        move_tree(files, told)


def identity(files: Files, told: Happening) -> UUID:
    """An upload stays the video that it became, unless that one is elsewhere now; else it is a new
    state of what it overwrites, or something new."""
    others = {held.video for path, held in files.items() if path != told.path}
    if told.video is not None and told.video not in others:
        return told.video
    at_path = files.get(told.path)
    return told.fresh if at_path is None else at_path.video


def move_tree(files: Files, told: Happening) -> None:
    """SFTPGo puts no directory in place of another: what is under the target is there by mistake,
    or by a step that was not heard yet. It is kept, to be told apart when this is undone."""
    there = under(told.target, files)
    inside = under(told.path, files)
    told.effect, told.overwrote = (TREE, dict(there)) if inside else (NOTHING, {})
    move(files, inside, told.path, told.target)


def under(root: str, files: Files) -> Files:
    return {path: held for path, held in files.items() if path.startswith(f"{root}/")}


def move(files: Files, inside: Files, source: str, target: str) -> None:
    for path in inside:
        files.pop(path, None)
    files.update({target + path[len(source) :]: held for path, held in inside.items()})


def undo(files: Files, told: Happening) -> None:
    if told.effect == TREE:
        moved = under(told.target, files).items() - told.overwrote.items()
        move(files, dict(moved), told.target, told.path)
    for path, held in told.overwrote.items():
        if held is None:
            files.pop(path, None)
        else:
            files[path] = held
