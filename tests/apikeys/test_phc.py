"""Argon2id PHC strings: what is read, and everything that only looks like one."""

import base64

import pytest
from argon2 import PasswordHasher, Type
from hypothesis import given
from hypothesis import strategies as st

from apikeys import phc
from apikeys.phc import InvalidPhc, Phc

SALT, HASH = bytes(range(16)), bytes(range(32))
SOUND = "$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$" + phc.encode(HASH)
BIG = phc.encode(bytes(range(65)))

PHCS = st.builds(
    Phc,
    memory_kib=st.integers(32, 65_536),
    time=st.integers(1, 10),
    parallelism=st.integers(1, 4),
    salt=st.binary(min_size=8, max_size=64),
    hash=st.binary(min_size=16, max_size=64),
)


def test_the_fields_are_read():
    assert phc.parse(SOUND) == Phc(19_456, 2, 1, SALT, HASH)


@given(PHCS)
def test_what_is_written_is_read_back(given_phc):
    text = phc.render(given_phc)

    if len(text) <= phc.MAX_LENGTH:
        assert phc.parse(text) == given_phc


TAMPERED = [
    "", "$", "x", "$argon2id$", SOUND[:-1], SOUND[1:], SOUND + "=", SOUND + "\n", " " + SOUND,
    SOUND + "\0", SOUND + "$", SOUND * 2, SOUND.upper(), "\0" + SOUND,
    SOUND.replace("argon2id", "argon2i"), SOUND.replace("argon2id", "argon2d"),
    SOUND.replace("argon2id", "argon2"), SOUND.replace("argon2id", "scrypt"),
    SOUND.replace("v=19$", ""), SOUND.replace("v=19", "v=16"), SOUND.replace("v=19", "v=019"),
    SOUND.replace("v=19", "v=20"), SOUND.replace("v=19", "v="), SOUND.replace("v=19", "v=1\uff19"),
    SOUND.replace("m=19456", "m=0"), SOUND.replace("m=19456", "m=7"),
    SOUND.replace("m=19456", "m=019456"), SOUND.replace("m=19456", "m=65537"),
    SOUND.replace("m=19456", "m=4294967296"), SOUND.replace("m=19456", "m=-8"),
    SOUND.replace("m=19456", "m=+19456"), SOUND.replace("m=19456", "m=1e4"),
    SOUND.replace("m=19456", "m=1_456"),
    SOUND.replace("m=19456", "m=\uff11\uff19\uff14\uff15\uff16"),
    SOUND.replace("m=19456", "m=²"), SOUND.replace("m=19456", "m=" + "9" * 5000),
    SOUND.replace("t=2", "t=0"), SOUND.replace("t=2", "t=11"), SOUND.replace("t=2", "t=02"),
    SOUND.replace("t=2", "t=٢"), SOUND.replace("p=1", "p=0"), SOUND.replace("p=1", "p=5"),
    SOUND.replace("p=1", "p=01"), SOUND.replace("m=19456,t=2,p=1", "m=16,t=2,p=4"),
    SOUND.replace("m=19456,t=2,p=1", "t=2,m=19456,p=1"),
    SOUND.replace("m=19456,t=2,p=1", "m=19456,p=1,t=2"),
    SOUND.replace("m=19456,t=2,p=1", "m=19456,t=2"),
    SOUND.replace("m=19456,t=2,p=1", "m=19456,t=2,p=1,keyid=AA"),
    SOUND.replace("m=19456,t=2,p=1", "m=19456,t=2,p=1,data=AA"),
    SOUND.replace("m=19456,t=2,p=1", "m=19456, t=2,p=1"),
    SOUND.replace("m=19456,t=2,p=1", "m=19456,m=19456,t=2,p=1"),
    SOUND.replace("AAECAwQFBgcICQoLDA0ODw", "AAECAwQFBgcICQoLDA0ODw=="),
    SOUND.replace("AAECAwQFBgcICQoLDA0ODw", "AAECAwQFBgcICQoLDA0ODx"),  # not canonical
    SOUND.replace("AAECAwQFBgcICQoLDA0ODw", "AAECAwQFBg"),  # 7 bytes
    SOUND.replace("AAECAwQFBgcICQoLDA0ODw", BIG), SOUND.replace("AAECAwQFBgcICQoLDA0ODw", ""),
    SOUND.replace("AAECAwQFBgcICQoLDA0ODw", "AAECAwQFBgcICQoLDA0OD-"),
    SOUND.replace("AAECAwQFBgcICQoLDA0ODw", "AAECAwQFBgcIC\nQoLDA0ODw"),
    SOUND.replace(phc.encode(HASH), phc.encode(HASH[:15])),
    SOUND.replace(phc.encode(HASH), BIG), SOUND.replace(phc.encode(HASH), ""),
    SOUND.replace("$AAEC", "$$AAEC"), SOUND.replace("$m=", "m="), "\ud800" + SOUND,
    "hmac-sha256$1$" + "0" * 64, "sha256$" + "0" * 64,
]  # fmt: skip


@pytest.mark.parametrize("text", TAMPERED)
def test_a_tampered_one_is_refused(text):
    with pytest.raises(InvalidPhc):
        phc.parse(text)


@given(st.text(max_size=250) | st.text("$argon2idvmtp=,0123456789AQgw+/", max_size=250))
def test_any_text_is_refused_in_one_way(text):
    try:
        assert phc.render(phc.parse(text)) == text
    except InvalidPhc:
        return


@given(st.integers(0, len(SOUND) - 1), st.characters())
def test_one_changed_character_is_another_hash_or_none(place, char):
    """Nothing that reads as this hash is written in a second way."""
    text = SOUND[:place] + char + SOUND[place + 1 :]
    try:
        found = phc.parse(text)
    except InvalidPhc:
        return
    assert (found == phc.parse(SOUND)) == (text == SOUND)


def test_a_long_one_is_refused_though_each_part_is_sound():
    text = phc.render(Phc(65_536, 10, 4, bytes(64), bytes(64)))

    assert len(text) > phc.MAX_LENGTH
    with pytest.raises(InvalidPhc):
        phc.parse(text)


def test_a_hash_of_another_maker_is_proven():
    made = PasswordHasher(2, 1024, 2, hash_len=24, salt_len=12, type=Type.ID).hash("sk-auto-x")

    assert phc.parse(made).matches("sk-auto-x")
    assert not phc.parse(made).matches("sk-auto-y")


def test_the_reference_vector_is_proven():
    """Of the reference implementation's own tests (argon2id, v=19, m=2^16, t=2, p=1)."""
    text = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"

    assert phc.parse(text).matches("password")
    assert not phc.parse(text).matches("differentpassword")


def test_our_own_have_the_cost_that_the_docs_name():
    made = phc.parse(phc.hashed("secret"))

    assert (made.cost, len(made.salt), len(made.hash)) == ((19_456, 2, 1), 16, 32)
    assert made.is_own
    assert made.matches("secret")


def test_two_of_one_secret_differ():
    assert phc.hashed("secret") != phc.hashed("secret")


@pytest.mark.parametrize("secret", ["\ud800", "\0", "", "ü" * 500])
def test_any_secret_can_be_compared(secret):
    cheap = Phc(8, 1, 1, SALT, HASH)

    assert not cheap.matches(secret)


def test_padding_is_no_second_spelling():
    assert base64.b64encode(SALT).decode().rstrip("=") == phc.encode(SALT)
