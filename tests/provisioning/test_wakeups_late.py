"""Wake-ups that cannot be followed at once: later, again, and without harm to others."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Scheme, User
from provisioning.models import WakeUp
from provisioning.services import wakeups
from provisioning.services.wakeups import MOST_ATTEMPTS, look_at_due
from tests import make
from tests.provisioning.rest import PASSWORD
from tests.provisioning.shop import look, signature, woo

pytestmark = pytest.mark.django_db


def test_a_wordpress_that_is_away_is_asked_again_later_and_given_up_in_the_end(shop, there):
    there.add(7, "ann")
    there.broken["/"] = 2
    woo({"id": 7})
    assert look() == 0
    row = WakeUp.objects.get()
    assert (row.attempts, row.failed_at) == (1, None)
    assert "No WordPress REST API" in row.last_error
    assert row.due_at > timezone.now() + timedelta(seconds=5)

    for _ in range(MOST_ATTEMPTS):
        there.broken["/"] = 2
        WakeUp.objects.filter(failed_at=None).update(due_at=timezone.now())
        look()
    assert WakeUp.objects.get().failed_at is not None

    there.broken.clear()
    woo({"id": 7, "again": 1})
    assert look() == 1
    assert User.objects.get().username == "ann"


def test_a_secret_never_stands_in_what_is_kept_of_a_failure(shop, there):
    there.has_passwords = False
    woo({"id": 7})
    look()

    error = WakeUp.objects.get().last_error
    assert error == "Application Passwords are off: use https."


def test_word_that_comes_while_one_is_looked_at_is_looked_at_again(shop, there, monkeypatch):
    there.add(7, "ann")
    woo({"id": 7})
    real = wakeups.refresh

    def refresh(site, number):
        outcome = real(site, number)
        assert woo({"id": 7, "again": 1}).json() == {"status": "queued"}
        return outcome

    monkeypatch.setattr(wakeups, "refresh", refresh)
    assert look() == 0
    monkeypatch.setattr(wakeups, "refresh", real)
    assert (WakeUp.objects.count(), look()) == (1, 1)


def test_one_wordpress_that_is_away_holds_up_no_other(shop, there):
    other = make.site(2)
    other.scheme, other.webhook_secret = Scheme.WOOCOMMERCE, "a secret of the other shop"
    other.url, other.rest_username = "http://127.0.0.1:9/", "root"
    other.rest_password = PASSWORD
    other.save()
    for number in range(1, 31):
        raw = json.dumps({"id": number}).encode()
        woo(raw, HTTP_X_WC_WEBHOOK_SIGNATURE=signature(raw, "a secret of the other shop"))
    there.add(7, "ann")
    woo({"id": 7})

    look()
    look()

    assert User.objects.get().username == "ann"
    assert WakeUp.objects.filter(site=other, attempts=1).count() == 1
    assert WakeUp.objects.filter(site=other, attempts=0).count() == 29


def test_a_relay_that_is_to_end_begins_no_other(shop, there):
    there.add(7, "ann")
    woo({"id": 7})

    assert look_at_due(timezone.now() + timedelta(seconds=1), lambda: True) == 0
    assert (WakeUp.objects.get().attempts, look()) == (0, 1)
