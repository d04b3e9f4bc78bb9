"""Keys of our own form in what is stored of a request: found however they are written."""

import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeys import keyformat
from momentry.common import ownkeys, scrub

KEY_ID = uuid.UUID("0190c0ff-ee01-4c0f-8ee0-190c0ffee0ab")
KEYS = [
    keyformat.mint(prefix, KEY_ID, owner="o", pepper=b"p" * 32, at=1_800_000_000)
    for prefix in keyformat.PREFIXES
]
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0"


def coded(text: str, begin: str = "%", form: str = "02x") -> str:
    return "".join(f"{begin}{ord(char):{form}}" for char in text)


def spellings(key: str) -> dict[str, str]:
    return {
        "plain": key,
        "upper case": key.upper(),
        "underscores coded": key.replace("_", "%5F"),
        "underscores coded twice": key.replace("_", "%255f"),
        "underscores coded thrice": key.replace("_", "%25255f"),
        "first letter coded": coded(key[0]) + key[1:],
        "second letter coded": key[0] + coded(key[1], form="02X") + key[2:],
        "all coded": coded(key),
        "all coded twice": coded(key, "%25", "02X"),
    }


def test_the_prefixes_are_the_keys_own():
    assert ownkeys.PREFIXES == keyformat.PREFIXES


@pytest.mark.parametrize("key", KEYS, ids=keyformat.PREFIXES)
@pytest.mark.parametrize("around", ["{}", "/proxy/echo/{}/a.txt", "curl/8 ({}; x)"])
def test_a_key_is_hidden_however_it_is_written(key, around):
    for name, text in spellings(key).items():
        shown = ownkeys.without_keys(around.format(text))

        assert shown.startswith(around[: around.index("{")]), name
        assert shown.endswith("…****" + around[around.index("}") + 1 :]), name
        assert len(shown) < len(key), name
        assert scrub.scrub(around.format(text)) == shown, name


@given(cut=st.integers(min_value=0, max_value=330), name=st.sampled_from([*spellings(KEYS[0])]))
def test_a_key_that_was_cut_off_tells_nothing_random(cut, name):
    shown = ownkeys.without_keys(spellings(KEYS[0])[name][:cut])

    assert coded(KEYS[0][50:54]) not in shown
    assert KEYS[0][50:54].lower() not in shown.lower()


@pytest.mark.parametrize(
    "text", ["", AGENT, "/api/v1/me/keys", "/proxy/echo/a_b%20c", "muser_nonsense", "100%_muser_"]
)
def test_everything_else_is_left_as_it_is(text):
    assert ownkeys.without_keys(text) == text


@pytest.mark.parametrize("piece", ["%", "%25", "muser_", "muser_ab%25", "%6d%75", "%2525", "_m"])
def test_hostile_text_costs_its_length(piece):
    text = piece * (65_536 // len(piece))
    started = time.thread_time()
    ownkeys.without_keys(text)

    assert time.thread_time() - started < 2
