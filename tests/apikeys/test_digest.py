"""Digests under numbered peppers, and the setting that holds the peppers."""

import base64
import hashlib

import pytest

from apikeys.digest import CorruptDigest, Peppers, read_peppers
from momentry.common.env import ConfigurationError, Environment


def pepper(seed: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(seed.encode()).digest()).decode()


OLD = Peppers.from_text(f"1:{pepper('one')}")
BOTH = Peppers.from_text(f"2:{pepper('two')},1:{pepper('one')}")


def test_a_secret_matches_its_own_digest_only():
    stored = OLD.digest("secret")

    assert OLD.matches("secret", stored)
    assert not OLD.matches("Secret", stored)


def test_a_digest_of_an_old_pepper_still_matches():
    assert BOTH.matches("secret", OLD.digest("secret"))


def test_new_digests_use_the_newest_pepper():
    assert BOTH.digest("secret").split("$")[1] == "2"


def test_the_digest_does_not_hold_the_secret():
    assert "secret" not in OLD.digest("secret")


@pytest.mark.parametrize(
    "stored",
    ["", "x", "hmac-sha256$9$" + "0" * 64, "hmac-sha256$1$zz", "hmac-sha256$1$" + "0" * 63,
     "hmac-sha256$1$" + "0" * 64 + "\n", "plain$1$" + "0" * 64],
)  # fmt: skip
def test_a_corrupt_digest_is_told_apart(stored):
    with pytest.raises(CorruptDigest):
        OLD.matches("secret", stored)


@pytest.mark.parametrize(
    "text",
    ["", "x", "1", "1:", "x:" + pepper("a"), "1:AAAA", "1:" + "A" * 44, "1:!!!!",
     f"1:{pepper('a')},1:{pepper('b')}", "-1:" + pepper("a")],
)  # fmt: skip
def test_bad_peppers_name_the_variable_and_not_the_value(text):
    with pytest.raises(ConfigurationError) as caught:
        read_peppers(Environment({"API_KEY_PEPPERS": text}))

    assert str(caught.value).startswith("API_KEY_PEPPERS ")
    assert len(text) < 4 or text not in str(caught.value)


def test_peppers_are_not_in_their_repr():
    assert pepper("one") not in repr(OLD)
    assert "b'" not in repr(OLD)
