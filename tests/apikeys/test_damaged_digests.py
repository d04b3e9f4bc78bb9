"""A stored digest that nobody can read: an alarm for staff, invalid_key for the caller."""

import logging
from datetime import timedelta

import pytest
from django.utils import timezone

from apikeys.models import ApiKey, ForeignSecret, RetiredSecret
from apikeys.services.prover import get_prover
from tests import make
from tests.apikeys.calls import client, code
from tests.apikeys.stored import DAMAGED, SECRET, imported

pytestmark = pytest.mark.django_db


def alarms(caplog) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno == logging.ERROR and "a stored digest is damaged" in record.getMessage()
    ]


@pytest.mark.parametrize("damaged", DAMAGED[1:])
def test_in_the_key_s_row(caplog, damaged):
    issued = make.key()
    ApiKey.objects.filter(pk=issued.key.pk).update(digest=damaged)

    assert [code(issued.secret) for _ in range(3)] == ["invalid_key"] * 3

    (told,) = alarms(caplog)
    assert str(issued.key.pk) in told
    assert damaged not in caplog.text
    assert issued.secret not in caplog.text


def test_an_empty_one_opens_nothing():
    issued = make.key()
    ApiKey.objects.filter(pk=issued.key.pk).update(digest="")

    assert code(issued.secret) == "invalid_key"


@pytest.mark.parametrize("damaged", DAMAGED)
def test_of_a_retired_secret_beside_a_sound_one(caplog, damaged):
    issued = make.key()
    end = timezone.now() + timedelta(hours=1)
    RetiredSecret.objects.create(key=issued.key, digest=damaged, ends_at=end)

    assert code(issued.secret) == ""
    assert len(alarms(caplog)) == 1


@pytest.mark.parametrize("damaged", DAMAGED)
def test_of_an_imported_secret(caplog, damaged):
    key = imported()
    ForeignSecret.objects.filter(key=key).update(digest=damaged)

    assert code(SECRET) == "invalid_key"

    (told,) = alarms(caplog)
    assert str(key.pk) in told
    assert SECRET not in caplog.text


@pytest.mark.parametrize("damaged", DAMAGED[1:])
def test_for_who_asks_about_it(damaged):
    issued = make.key()
    ApiKey.objects.filter(pk=issued.key.pk).update(digest=damaged)
    caller = client(make.service_key("validator").secret)

    answer = caller.post("/api/v1/keys/verify", {"key": issued.secret, "explain": True})

    assert (answer.status_code, answer.json()["code"]) == (200, "invalid_key")


def test_an_alarm_is_counted_each_time(monkeypatch):
    issued = make.key()
    ApiKey.objects.filter(pk=issued.key.pk).update(digest="garbage")
    counted = []
    monkeypatch.setattr(get_prover().alarm, "count", lambda: counted.append(1))

    code(issued.secret)
    code(issued.secret)

    assert len(counted) == 2
