"""Whose signatures count: given public keys, lists that are asked for, several origins."""

import json
import threading
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from apikeys.leaks import origins
from apikeys.leaks.settings import read_given
from apikeys.leaks.signature import BadKeysError, is_signed, read_keys
from apikeys.models import Leak
from momentry.common.env import ConfigurationError, Environment
from tests import make
from tests.apikeys.leaking import KeyHouse, Signer, found, given, send
from tests.provisioning.standin import Heard, Told

pytestmark = pytest.mark.django_db
# The example of GitHub's own documentation of the protocol.
SAMPLE = b'[{"token":"some_token","type":"some_type","url":"some_url","source":"some_source"}]'
SAMPLE_NAME = "f9525bf080f75b3506ca1ead061add62b8633a346606dc5fe544e29231c6ee0d"
SAMPLE_KEY = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEsz9ugWDj5jK5ELBK42ynytbo38gP
HzZFI03Exwz8Lh/tCfL3YxwMdLjB+bMznsanlhK0RwcGP3IDb34kQDIo3Q==
-----END PUBLIC KEY-----"""
SAMPLE_SIGNATURE = (
    "MEUCIFLZzeK++IhS+y276SRk2Pe5LfDrfvTXu6iwKKcFGCrvAiEA"
    "hHN2kDOhy2I6eGkOFmxNkOJ+L2y8oQ9A2T9GGJo6WJY="
)


def test_it_verifies_what_githubs_documentation_shows() -> None:
    keys = read_keys({"public_keys": [{"key_identifier": SAMPLE_NAME, "key": SAMPLE_KEY}]})

    assert is_signed(keys[SAMPLE_NAME], SAMPLE_SIGNATURE, SAMPLE)
    assert not is_signed(keys[SAMPLE_NAME], SAMPLE_SIGNATURE, SAMPLE + b" ")


@pytest.mark.parametrize(
    "document",
    [
        None, [], {}, {"public_keys": {}}, {"public_keys": [1]}, {"public_keys": [{}]},
        {"public_keys": [{"key_identifier": "a", "key": "x"}]},
        {"public_keys": [{"key_identifier": "", "key": SAMPLE_KEY}]},
        {"public_keys": [{"key_identifier": "a", "key": SAMPLE_KEY}] * 200},
    ],
)  # fmt: skip
def test_what_is_no_list_of_keys_is_not_read(document: Any) -> None:
    with pytest.raises(BadKeysError):
        read_keys(document)


def pem_of(private: Any) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return str(private.public_key().public_bytes(serialization.Encoding.PEM, form), "ascii")


@pytest.mark.parametrize(
    "private",
    [
        ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP256K1()),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["P-384", "secp256k1", "Ed25519"],
)  # fmt: skip
def test_keys_of_another_kind_are_passed_over(private: Any) -> None:
    other = {"key_identifier": "a", "key": pem_of(private)}
    sample = {"key_identifier": SAMPLE_NAME, "key": SAMPLE_KEY}

    assert list(read_keys({"public_keys": [other, sample]})) == [SAMPLE_NAME]
    assert read_keys({"public_keys": [other]}) == {}
    with pytest.raises(ConfigurationError, match="P-256"):
        read_given(Environment({"SECRET_SCANNING_KEYS": json.dumps({"github": [other]})}))
    with pytest.raises(ConfigurationError, match="P-256"):
        read_given(Environment({"SECRET_SCANNING_KEYS": json.dumps({"github": [sample, other]})}))


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: Any) -> Clock:
    made = Clock()
    monkeypatch.setattr(origins, "monotonic", made)
    return made


def test_keys_come_from_the_origin_s_list_and_are_remembered(settings: Any, clock: Clock) -> None:
    signer, other = Signer(), Signer("key-2")
    with KeyHouse(signer) as house:
        settings.LEAKS = given(signer, url=house.base_url)

        assert [send(signer, found("x")).status_code for _ in range(3)] == [200] * 3
        assert len(house.heard) == 1

        house.entries = [other.entry]  # the origin exchanged its key
        clock.now += 10
        answer = send(other, found("x"))  # the list was read before
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
        assert int(answer.headers["Retry-After"]) == origins.AGAIN_SECONDS - 10
        clock.now += int(answer.headers["Retry-After"]) + 1
        assert send(other, found("x")).status_code == 200
        assert send(signer, found("x")).status_code == 401
        assert len(house.heard) == 2


def test_strangers_cannot_make_us_ask_again_and_again(settings: Any, clock: Clock) -> None:
    with KeyHouse(Signer()) as house:
        settings.LEAKS = given(Signer(), url=house.base_url)

        answers = {send(Signer(f"key-{n}"), found("x")).status_code for n in range(2, 20)}

        assert answers == {401}
        clock.now += 1
        assert send(Signer("key-20"), found("x")).status_code == 503
        assert len(house.heard) == 1


class SlowHouse(KeyHouse):
    """Answers when it may."""

    def __init__(self, *signers: Signer) -> None:
        super().__init__(*signers)
        self.asked, self.may = threading.Event(), threading.Event()
        self.may.set()

    def answer(self, heard: Heard) -> Told:
        self.asked.set()
        assert self.may.wait(30)
        return super().answer(heard)


@pytest.mark.parametrize("name", ["key-1", "key-2"])
def test_who_is_known_does_not_wait_while_the_list_is_read(clock: Clock, name: str) -> None:
    """Nor when that is about the known key itself, because it is old."""
    signer = Signer()
    with SlowHouse(signer) as house:
        listed = origins.KeyList(house.base_url)
        assert listed.find("key-1") is not None
        house.asked.clear()
        house.may.clear()
        clock.now += origins.FRESH_SECONDS + 1
        stranger = threading.Thread(target=listed.find, args=[name])
        stranger.start()
        assert house.asked.wait(30)

        found: list[Any] = []
        known = threading.Thread(target=lambda: found.append(listed.find("key-1")))
        known.start()
        known.join(2)

        assert (len(found), stranger.is_alive()) == (1, True)
        house.may.set()
        stranger.join(30)
        known.join(30)
    assert found[0] == signer.public


def test_an_origin_that_is_away_is_said_to_be(settings: Any, clock: Clock) -> None:
    signer = Signer()
    with KeyHouse(signer) as house:
        settings.LEAKS = given(signer, url=house.base_url)
        house.down = Told(500, {})
        answer = send(signer, found("x"))
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
        assert int(answer.headers["Retry-After"]) > 0

        house.down = None
        clock.now += origins.AGAIN_AFTER_FAULT_SECONDS + 1
        assert send(signer, found("x")).status_code == 200

        house.down = Told(500, {})
        clock.now += origins.FRESH_SECONDS + 1
        assert send(signer, found("x")).status_code == 200  # as it was known
        clock.now += origins.STALE_SECONDS
        assert send(signer, found("x")).status_code == 503


def test_several_origins_sign_each_with_its_own_headers(settings: Any) -> None:
    github, gosst = Signer(), Signer("key-1", "gosst")
    settings.LEAKS = given(github, gosst)
    issued = make.key()

    assert send(gosst, found(issued.secret)).json()[0]["label"] == "true_positive"
    assert Leak.objects.get().origin == "gosst"
    crossed = send(github, body=b"[]", **gosst.headers(b"[]") | github.headers(b"[1]"))
    assert crossed.status_code == 401
