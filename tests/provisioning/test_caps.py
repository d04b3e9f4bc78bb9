"""Caps on claim links and on webhooks that nobody signed; a signed one always passes."""

import copy

import pytest
from django.conf import settings
from django.test import Client, override_settings

from accounts.models import Site
from apikeys.models import ApiKey
from momentry.common import throttle
from provisioning.models import ClaimLink
from tests import make
from tests.provisioning.test_claim_page import path_of
from tests.provisioning.test_wordpress_webhook import event, send

CLAIMS, FAILURES = throttle.CLAIM_ADDRESS.attempts, throttle.WEBHOOK_FAILURES.attempts
GONE = "/claim/00000000000000000000000000000000.AAAA"
pytestmark = pytest.mark.django_db


@pytest.fixture
def site() -> Site:
    return make.site()


def statuses(count, address="192.0.2.1", method="get"):
    client = Client(REMOTE_ADDR=address)
    return [getattr(client, method)(GONE).status_code for _ in range(count)]


def fail(count, address="192.0.2.1"):
    wrong = make.webhook_secret(9)
    return [send(event(), secret=wrong, REMOTE_ADDR=address) for _ in range(count)]


def without_valkey():
    changed = copy.deepcopy(settings.CACHES)
    changed["default"]["LOCATION"] = "redis://127.0.0.1:1/0"
    return override_settings(CACHES=changed)


def test_an_address_opens_so_many_claim_links_a_minute(window):
    assert statuses(CLAIMS) == [404] * CLAIMS
    assert statuses(2) == [429] * 2
    assert statuses(1, method="post") == [429]
    assert statuses(1, method="head") == [429]
    assert statuses(1, address="192.0.2.2") == [404]


def test_reading_and_pressing_spend_from_one_counter(window):
    statuses(CLAIMS - 1)

    assert statuses(2, method="post") == [404, 429]


def test_a_capped_link_is_not_used_up(window):
    link = make.registered("alice").claim
    statuses(CLAIMS)

    answer = Client(REMOTE_ADDR="192.0.2.1").post(path_of(link))

    assert (answer.status_code, ClaimLink.objects.get().used_at) == (429, None)
    assert not ApiKey.objects.get().is_claimed
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "again after the pause" in answer.content.decode()


def test_other_methods_of_the_claim_page_are_not_counted(window):
    assert set(statuses(CLAIMS + 1, method="put")) == {405}
    assert statuses(1) == [404]


def test_unsigned_webhooks_of_an_address_are_capped(site, window):
    answers = fail(FAILURES + 2)

    assert [answer.status_code for answer in answers] == [401] * FAILURES + [429] * 2
    last = answers[-1]
    assert (last.json()["code"], last.headers["Content-Type"]) == (
        "rate_limited", "application/problem+json",
    )  # fmt: skip
    assert 1 <= int(last.headers["Retry-After"]) <= 60
    assert last.headers["x-should-retry"] == "false"
    assert [answer.status_code for answer in fail(1, "192.0.2.2")] == [401]


def test_a_signed_webhook_passes_from_a_capped_address(site, window):
    fail(FAILURES + 1)

    answer = send(event(), REMOTE_ADDR="192.0.2.1")

    assert (answer.status_code, answer.json()) == (200, {"status": "applied"})


def test_signed_webhooks_spend_nothing(site, window):
    body = event()
    answers = {send(body).status_code for _ in range(FAILURES + 5)}

    assert answers == {200}
    assert [answer.status_code for answer in fail(1, "127.0.0.1")] == [401]


def test_both_edges_work_while_valkey_is_away(site, outage):
    link = make.registered("bob").claim
    with without_valkey():
        answers = [
            Client().get(path_of(link)),
            send(event()),
            *fail(1),
            Client().post(path_of(link)),
        ]

    assert [answer.status_code for answer in answers] == [200, 200, 401, 200]
