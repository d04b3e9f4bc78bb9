"""Gitea's scopes: one list, read by one function."""

import pytest

from provisioning.tokens.gitea_scopes import GiteaScope, UnknownScopeError, parse_scopes, shortest
from tests.provisioning import gitea


def test_the_list_is_giteas():
    assert {str(scope) for scope in GiteaScope} == gitea.KNOWN


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        ("", set()), ([], set()), ("read:user", {"read:user"}),
        ("write:user", {"write:user", "read:user"}),
        (" write:issue , read:misc,,", {"write:issue", "read:issue", "read:misc"}),
        (["public-only", "read:user", "read:user"], {"public-only", "read:user"}),
        ("all", gitea.KNOWN - {"public-only"}), ("all,public-only", gitea.KNOWN),
        ([f"write:{room}" for room in gitea.ROOMS], gitea.KNOWN - {"public-only"}),
    ],
    ids=lambda value: ",".join(sorted(value)) if isinstance(value, set) else str(value),
)  # fmt: skip
def test_what_scopes_allow(given, allowed):
    assert parse_scopes(given) == allowed


@pytest.mark.parametrize(
    "given", ["repo", "admin:org", "ALL", "read", "read:", "write:everything", "read:user:x", "*"]
)
def test_what_gitea_does_not_know_is_refused(given):
    with pytest.raises(UnknownScopeError, match="has no scope"):
        parse_scopes(f"read:user,{given}")


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("read:user,write:user", ["write:user"]), ("all,read:user", ["all"]),
        ("public-only,all", ["all", "public-only"]),
        ("read:misc,read:admin", ["read:admin", "read:misc"]),
        ("", []),
    ],
)  # fmt: skip
def test_what_is_stored_says_the_same_in_fewer_words(given, stored):
    assert shortest(parse_scopes(given)) == stored
    assert parse_scopes(stored) == parse_scopes(given)
