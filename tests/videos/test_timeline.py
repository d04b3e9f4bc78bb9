"""Whatever the order in which things are heard, the files are what came to pass."""

from random import Random
from uuid import uuid4

import pytest

from tests.videos.trees import Tree
from videos.timeline import Happening, Held, apply, insert, related


def hear(files, known, late):
    """As the service does: only what can matter is undone."""
    later = related(late, [each for each in known if each.order > late.order])
    if not later:
        apply(files, late)
    else:
        change = insert(files, late, later)
        files.clear()
        files.update(change.after)
    known.append(late)


def happenings(tree):
    return [
        Happening((number, ""), action, path, target, size)
        for number, (action, path, target, size) in enumerate(tree.told)
    ]


def sizes(files):
    return {path: held.size for path, held in files.items()}


@pytest.mark.parametrize("part", range(8))
def test_files_are_what_came_to_pass(part):
    for seed in range(part * 250, part * 250 + 250):
        came_to_pass(Random(seed))


def came_to_pass(random):
    before = Tree(random).live(5).files
    tree = Tree(random)
    tree.files = dict(before)
    tree.live(random.randrange(1, 14))
    files = {path: Held(uuid4(), size) for path, size in before.items()}
    known = []
    heard = happenings(tree)
    random.shuffle(heard)

    for late in heard:
        hear(files, known, late)

    assert sizes(files) == tree.files
    assert len({held.video for held in files.values()}) == len(files)
