"""SFTPGo's hooks come in any order and several times: the books say what came to pass."""

from random import Random

import pytest

from tests.videos import sftpgo
from tests.videos.sftpgo import event, files, hook_client, post, renamed, used
from tests.videos.trees import Tree

pytestmark = pytest.mark.django_db


@pytest.fixture
def api():
    return hook_client()


@pytest.fixture
def alice():
    return sftpgo.member()


def tell(api, *bodies):
    for body in bodies:
        answer = post(api, body)
        assert answer.status_code == 200, answer.content


def body_of(action, path, target, size, username):
    if target:
        return renamed(path, target, username=username)
    return event(action, path, username, file_size=size)


@pytest.mark.parametrize("username", ["alice", "somebody"])
@pytest.mark.parametrize("seed", range(40))
def test_the_books_are_what_came_to_pass(api, alice, seed, username):
    """``somebody`` is known to SFTPGo only."""
    random = Random(seed)
    tree = Tree(random).live(random.randrange(2, 14))
    told = [body_of(*step, username) for step in tree.told]
    heard = told + random.sample(told, len(told) // 3)
    random.shuffle(heard)

    tell(api, *heard)

    owner = alice if username == "alice" else None
    assert files(owner) == tree.files
    assert used(alice) == (sum(tree.files.values()) if owner else 0)
