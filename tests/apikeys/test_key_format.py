"""The text of a key: AUTH-12, and AUTH-05 as far as form and checksum go."""

import string
import uuid
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeys import keyformat

PEPPER = bytes(range(32))
KEY_ID = uuid.UUID("0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0")
SECRET = keyformat.mint("muser", KEY_ID, owner="alice", pepper=PEPPER, at=1_795_232_115)


def test_the_checksum_is_the_one_github_uses():
    # A public sample token of GitHub's: CRC-32 of its random part in base62, digits first.
    sample = "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ"

    assert keyformat.base62(zlib.crc32(sample.encode()), 6) == "0mLq17"


@pytest.mark.parametrize("prefix", keyformat.PREFIXES)
def test_a_minted_key_reads_back(prefix):
    secret = keyformat.mint(prefix, KEY_ID, owner="x", pepper=PEPPER, at=1)

    assert keyformat.parse(secret) == (prefix, KEY_ID)


def test_the_layout_is_as_documented():
    prefix, key_id, timestamp, random, tail = SECRET.split("_")

    assert (prefix, key_id) == ("muser", KEY_ID.hex)
    assert int(timestamp, 36) == 1_795_232_115
    assert len(random) == 43
    assert tail[:6] == keyformat.owner_hash("alice", PEPPER)
    assert tail[6:] == keyformat.checksum(SECRET[:-6])


def test_two_keys_of_one_second_share_no_random_part():
    made = {keyformat.mint("muser", KEY_ID, owner="a", pepper=PEPPER, at=1) for _ in range(1000)}

    assert len({secret.split("_")[3] for secret in made}) == 1000


def test_the_random_part_uses_the_whole_alphabet():
    text = "".join(
        keyformat.mint("muser", KEY_ID, owner="a", pepper=PEPPER, at=1).split("_")[3]
        for _ in range(200)
    )

    assert set(text) == set(string.ascii_letters + string.digits)


@given(st.integers(0, len(SECRET) - 1), st.characters())
def test_a_key_with_one_character_changed_is_refused(position, character):
    mutant = SECRET[:position] + character + SECRET[position + 1 :]

    assert mutant == SECRET or keyformat.parse(mutant) is None


@pytest.mark.parametrize(
    "mutant",
    [
        "", " ", SECRET + " ", " " + SECRET, SECRET + "\n", SECRET + "\0", SECRET[:-1],
        SECRET + "0", SECRET.upper(), SECRET.lower(), SECRET.replace("muser", "madm"),
        SECRET.replace("_", "-"), SECRET.replace(KEY_ID.hex, str(KEY_ID)), "muser_" * 30,
        SECRET + SECRET, "\uff4d" + SECRET[1:], SECRET.replace("m", "\u0430", 1),
    ],
)  # fmt: skip
def test_a_look_alike_is_refused(mutant):
    assert keyformat.parse(mutant) is None


@given(st.text(max_size=300))
def test_no_text_makes_the_reader_fail(text):
    assert keyformat.parse(text) is None


def test_a_mask_shows_eight_digits_of_the_id_and_nothing_of_the_secret():
    assert keyformat.mask("muser", KEY_ID) == "muser_0f1e2d3c…****"
