"""LOG-03: whoever shows a wrong credential at a door that asks for no key is refused with an event:
webhooks, claim links, log-ins to SFTPGo."""

import json

import pytest
from django.db import OperationalError, transaction
from django.test import Client
from django.utils import timezone

from events.models import Event, Refusal
from events.refusals import note, tell_refusals
from provisioning.services.claims import claim_url
from tests import make
from tests.apikeys.calls import client

pytestmark = pytest.mark.django_db
HOOK, MEMBER = "/api/v1/webhooks/wordpress", "/api/v1/webhooks/wordpress/member"
SFTP = "/api/v1/hooks/sftpgo/auth"
SIGNED = {"webhook-id": "a", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}


def told():
    tell_refusals(timezone.now())
    return [json.loads(row.details) for row in Event.objects.filter(kind="auth:refused")]


@pytest.mark.parametrize("path", [HOOK, MEMBER])
def test_a_webhook_with_a_wrong_signature(path, api):
    make.site()

    answer = api.post(path, {"type": "ping"}, headers=SIGNED, REMOTE_ADDR="192.0.2.5")

    assert answer.json()["code"] == "signature_invalid"
    (event,) = told()
    assert (event["code"], event["network"]) == ("signature_invalid", "192.0.2.5")
    assert event["requests"] == [answer["X-Request-ID"]]


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_claim_link_that_is_none(method):
    browser = Client(REMOTE_ADDR="192.0.2.5")

    assert getattr(browser, method)("/claim/nonsense").status_code == 404

    (event,) = told()
    assert (event["code"], event["network"]) == ("claim_refused", "192.0.2.5")
    assert "nonsense" not in json.dumps(event)


def test_too_many_claim_links(window):
    browser = Client(REMOTE_ADDR="192.0.2.5")
    answers = [browser.get("/claim/nonsense").status_code for _ in range(35)]

    assert answers == [404] * 30 + [429] * 5
    assert sorted((each["code"], each["count"]) for each in told()) == [
        ("claim_refused", 30), ("claim_throttled", 1),
    ]  # fmt: skip


@pytest.mark.parametrize("attempts", [1, 31])
def test_who_is_refused_is_told_so_though_it_cannot_be_noted(attempts, window, monkeypatch, caplog):
    def away(*_, **__):
        raise OperationalError("away")

    monkeypatch.setattr(Refusal, "save", away)
    browser = Client(REMOTE_ADDR="192.0.2.5")

    answers = [browser.get("/claim/nonsense").status_code for _ in range(attempts)]

    assert answers[-1] == (429 if attempts > 30 else 404)
    (said, *_) = [each for each in caplog.records if each.message == "a refusal is not noted"]
    assert (said.code, said.error) == ("claim_refused", "OperationalError")


def test_what_cannot_be_noted_leaves_the_transaction_around_it_as_it_was():
    with transaction.atomic():
        make.member("alice")
        note("a code that is longer than forty letters are", address="192.0.2.5")
        note("login_failed", address="192.0.2.5")

    assert [each["code"] for each in told()] == ["login_failed"]


def test_a_good_claim_link_is_no_refusal(db):
    path = "/claim/" + claim_url(make.registered().claim).rpartition("/")[2]

    assert Client().post(path).status_code == 200
    assert not Refusal.objects.exists()


def test_a_log_in_to_sftpgo(db):
    hook = client(make.service_key("admin").secret)
    given = {"username": "alice", "password": "hunter2-hunter2", "ip": "2001:db8::5"}

    answer = hook.post(SFTP, given)

    assert (answer.status_code, answer.json()) == (200, {"username": ""})
    assert [(each["code"], each["network"]) for each in told()] == [
        ("sftp_login_refused", "2001:db8::/64")
    ]
    assert "hunter2" not in str(list(Refusal.objects.values()))
