"""Imported secrets: which texts may be one, where they are found, how they are compared."""

import hashlib

import pytest

from apikeys import foreign

SECRET = "sk-auto-0123456789abcdef0123"
HEX = hashlib.sha256(SECRET.encode()).hexdigest()


@pytest.mark.parametrize(
    "text", ["sk-auto-", "pk_live_", "pk_trial_", "abc", "A" * 16, "mus"[:2] + "x"]
)
def test_a_format(text):
    assert foreign.is_format(text)


@pytest.mark.parametrize(
    "text",
    ["", "ab", "A" * 17, "sk auto", "sk.auto", "sk-äuto", "sk-auto-\n", "muser_", "muser_0f", "mus",
     "muser", "madm_", "msvc_x", "mtrial", "mtrial_1"],
)  # fmt: skip
def test_no_format(text):
    assert not foreign.is_format(text)


@pytest.mark.parametrize("text", [SECRET, "~" * 16, "!" * 256, "a,b;c=d{}[]\"'\\12345"])
def test_may_be_a_secret(text):
    assert foreign.is_secret(text)


@pytest.mark.parametrize(
    "text",
    ["", "a" * 15, "a" * 257, "a" * 16 + " ", "a b" * 8, "a" * 16 + "\0", "a" * 16 + "\n",
     "ä" * 16, "a" * 16 + "\x7f", "muser_" + "a" * 20, "msvc_" + "a" * 20],
)  # fmt: skip
def test_is_no_secret_of_others(text):
    assert not foreign.is_secret(text)


def test_a_secret_is_found_by_its_hash_and_by_each_of_its_beginnings():
    found = foreign.lookups(SECRET)

    assert found[0] == f"sha256:{HEX[:16]}" == foreign.sha256_lookup(HEX)
    assert found[1:] == [f"text:{SECRET[:length]}" for length in range(8, 21)]
    assert max(map(len, found)) <= 32


def test_a_short_secret_has_fewer_beginnings_eight_characters_are_never_told():
    assert foreign.lookups("0123456789abcdef")[1:] == ["text:01234567"]


def test_a_hash_is_stored_with_its_scheme_and_compared():
    stored = foreign.sha256_digest(HEX)

    assert stored == f"sha256${HEX}"
    assert foreign.matches(SECRET, stored)
    assert not foreign.matches(SECRET + "0", stored)


@pytest.mark.parametrize("stored", ["", HEX, "sha256$", f"sha256${HEX}\n", f"sha256${HEX[1:]}"])
def test_a_damaged_one_is_nobody_s(stored):
    assert not foreign.matches(SECRET, stored)


@pytest.mark.parametrize("text", ["", HEX.upper(), HEX[1:], HEX + "0", HEX[:-1] + "g"])
def test_what_is_no_hash_is_not_stored(text):
    with pytest.raises(ValueError, match="SHA-256"):
        foreign.sha256_digest(text)


@pytest.mark.parametrize("length", [7, 21])
def test_a_prefix_has_8_to_20_characters(length):
    with pytest.raises(ValueError, match="8 to 20"):
        foreign.text_lookup("a" * length)
