"""holds, lacking, covers: wildcards on either side, and what they do not stand for."""

import pytest

from apikeys.gate.scopes import CATALOGUE, MEMBER_SCOPES, meant_by
from momentry.common.scopes import covers, lacking


@pytest.mark.parametrize(
    ("held", "wanted"),
    [
        ({"keys:read"}, {"keys:read"}),
        ({"keys:*"}, {"keys:read", "keys:*"}),
        ({"*:read"}, {"keys:read", "videos:read", "*:read"}),
        ({"*:*"}, {"*:*", "keys:*", "*:read", "jobs:work"}),
        ({"*:*"}, set()),
        (set(), set()),
    ],
)
def test_who_holds_it_may_hand_it_out(held, wanted):
    assert covers(frozenset(held), wanted)


@pytest.mark.parametrize(
    ("held", "wanted"),
    [
        (set(), "keys:read"),
        ({"keys:read"}, "keys:*"),
        ({"keys:read", "keys:write", "keys:verify"}, "keys:*"),
        ({"keys:*", "videos:*"}, "*:*"),
        ({"*:read", "*:write"}, "*:*"),
        ({"*:read"}, "keys:*"),
        ({"keys:*"}, "*:read"),
        (CATALOGUE, "*:read"),
    ],
)
def test_single_scopes_never_add_up_to_a_wildcard(held, wanted):
    assert lacking(frozenset(held), [wanted]) == [wanted]


def test_a_wildcard_means_what_is_in_the_catalogue():
    assert meant_by("*:*") == CATALOGUE
    assert meant_by("keys:*") == {"keys:read", "keys:write", "keys:verify"}
    assert meant_by("*:work") == {"jobs:work"}
    assert meant_by("hooks:sftpgo") == {"hooks:sftpgo"}
    assert MEMBER_SCOPES < CATALOGUE


@pytest.mark.parametrize(
    "scope", ["", "*", ":", "keys", "keys:", ":read", "keys:fly", "x:*", "*:x"]
)
def test_an_unknown_scope_means_nothing(scope):
    assert meant_by(scope) == frozenset()
