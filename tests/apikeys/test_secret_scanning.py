"""POST /integrations/secret-scanning/github: who may report, what is answered, what is done."""

import base64
import json
from typing import Any

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from apikeys.leaks.settings import REPORT
from apikeys.models import Leak
from events.models import Event, Mail, Refusal
from momentry.common import throttle
from tests import make
from tests.apikeys.calls import code
from tests.apikeys.leaking import (
    URL,
    Signer,
    feedback,
    found,
    given,
    look_alike,
    minted,
    send,
)

pytestmark = pytest.mark.django_db
OTHERS_SIGNATURE = base64.b64encode(b"0" * 71).decode()


@pytest.fixture
def signer(settings: Any) -> Signer:
    made = Signer()
    settings.LEAKS = given(made)
    return made


def letters() -> list[Mail]:
    return list(Mail.objects.filter(template="key_leaked"))


def test_a_real_key_is_quarantined_and_its_owner_told(signer: Signer) -> None:
    issued = make.key()

    answer = send(signer, found(issued.secret))

    assert (answer.status_code, answer.json()) == (200, [feedback(issued.secret, "true_positive")])
    assert code(issued.secret) == "key_quarantined"
    kinds = Event.objects.filter(subject=f"key:{issued.key.pk.hex}").values_list("kind", "actor")
    assert list(kinds)[:2] == [
        ("apikey:quarantined", "origin:github"), ("apikey:leaked", "origin:github"),
    ]  # fmt: skip
    (letter,) = letters()
    assert letter.recipient == "alice@example.org"
    leak = Leak.objects.get()
    assert (leak.origin, leak.source, leak.outcome) == ("github", "content", "quarantined")
    assert leak.where == found("")["url"]


def test_what_is_no_key_of_ours_is_a_false_positive(signer: Signer) -> None:
    issued = make.key()
    tokens = [minted(), look_alike(issued.secret), "some_token", "muser_", "\u00e9" * 40]

    answer = send(signer, *map(found, tokens))

    assert answer.json() == [feedback(token, "false_positive") for token in tokens]
    assert code(issued.secret) == ""
    assert (Leak.objects.count(), letters()) == (0, [])


def test_a_forged_secret_of_a_real_key_id_ends_nothing(signer: Signer) -> None:
    """The id is public: whoever knows it can make a text whose checksum holds."""
    issued = make.key()
    forged = minted(seed=issued.key.pk.int)

    assert send(signer, found(forged)).json() == [feedback(forged, "false_positive")]
    assert code(issued.secret) == ""


def test_services_keys_have_no_owner_to_tell(signer: Signer) -> None:
    issued = make.service_key("metrics")

    assert send(signer, found(issued.secret)).json()[0]["label"] == "true_positive"
    assert code(issued.secret) == "key_quarantined"
    assert letters() == []


def test_several_matches_are_answered_one_by_one(signer: Signer) -> None:
    alice, bob = make.key(), make.key(make.member("bob"))

    answer = send(signer, found(alice.secret), found("x"), found(bob.secret), found(alice.secret))

    labels = ["true_positive", "false_positive", "true_positive"]
    assert [entry["label"] for entry in answer.json()] == labels
    assert len(letters()) == 2


def test_the_same_report_again_changes_nothing(signer: Signer) -> None:
    issued = make.key()
    first = send(signer, found(issued.secret)).json()
    before = (Event.objects.count(), len(letters()))

    assert send(signer, found(issued.secret)).json() == first
    assert (Event.objects.count(), len(letters())) == before
    assert Leak.objects.count() == 1


def test_by_policy_keys_are_only_reported(settings: Any) -> None:
    signer = Signer()
    settings.LEAKS = given(signer, policy=REPORT)
    issued = make.key()

    send(signer, found(issued.secret), found(issued.secret, url="https://example.org/2"))

    assert code(issued.secret) == ""
    assert Event.objects.filter(kind="apikey:leaked").count() == 2
    assert len(letters()) == 1  # of one key once a day

    settings.LEAKS = given(signer)
    send(signer, found(issued.secret))
    assert code(issued.secret) == "key_quarantined"
    assert len(letters()) == 2


@pytest.mark.parametrize("absent", ["IDENTIFIER", "SIGNATURE"])
def test_without_its_headers_nobody_is_there(signer: Signer, absent: str) -> None:
    answer = send(signer, found("x"), **{f"HTTP_GITHUB_PUBLIC_KEY_{absent}": None})

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("SIGNATURE", "AAAA"), ("SIGNATURE", "not base64!"), ("SIGNATURE", "é"),
        ("SIGNATURE", "A" * 10_000), ("SIGNATURE", OTHERS_SIGNATURE), ("IDENTIFIER", "key-2"),
        ("IDENTIFIER", "k" * 10_000),
    ],
)  # fmt: skip
def test_a_wrong_signature_is_refused_and_does_nothing(
    signer: Signer, header: str, value: str
) -> None:
    issued = make.key()

    answer = send(signer, found(issued.secret), **{f"HTTP_GITHUB_PUBLIC_KEY_{header}": value})

    assert (answer.status_code, answer.json()["code"]) == (401, "signature_invalid")
    assert code(issued.secret) == ""
    (refusal,) = Refusal.objects.all()
    assert (refusal.code, refusal.client_address) == ("signature_invalid", "127.0.0.1")
    assert str(refusal.request_id) == answer["X-Request-ID"]


def test_the_signature_is_over_the_raw_bytes(signer: Signer) -> None:
    body = json.dumps([found(make.key().secret)]).encode()
    signed = signer.headers(body)
    other = json.dumps(json.loads(body), indent=1).encode()

    assert send(signer, body=other, **signed).status_code == 401
    assert send(signer, body=body + b"\n", **signed).status_code == 401
    assert send(signer, body=body).status_code == 200


def test_a_stranger_s_key_of_the_same_name_signs_nothing(signer: Signer) -> None:
    assert send(Signer(), found("x")).status_code == 401


def test_who_signs_wrongly_is_slowed_down_and_who_signs_is_not(
    signer: Signer, monkeypatch: Any
) -> None:
    cache.clear()
    monkeypatch.setattr(throttle, "WEBHOOK_FAILURES", throttle.Cap("test leaks", 2))

    codes = [send(Signer(), found("x")).status_code for _ in range(4)]

    assert codes == [401, 401, 429, 429]
    assert send(signer, found("x")).status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b'"x"', b"[" * 100_000, b"\xff\xfe"])
def test_a_body_that_is_no_list_is_refused(signer: Signer, body: bytes) -> None:
    answer = send(signer, body=body)

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_entries_that_make_no_sense_are_left_out(signer: Signer) -> None:
    issued = make.key()
    odd: list[Any] = [
        None, 1, [], {}, {"token": 1}, {"token": ""}, {"token": "x" * 600}, {"type": "y"},
        found("x", type="t" * 200), found(issued.secret, url=None, source=7),
    ]  # fmt: skip

    assert send(signer, *odd).json() == [feedback(issued.secret, "true_positive")]
    assert Leak.objects.get().where is None


def test_a_body_that_is_too_large_is_refused(signer: Signer) -> None:
    answer = send(signer, body=b"[" + b" " * 1024 * 1024 + b"]")

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_other_methods_are_refused(db: None) -> None:
    assert APIClient().get(URL).status_code == 405
