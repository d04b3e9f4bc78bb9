"""Budgets through the REST API, Django alone: held by keys/verify, ended by keys/settle."""

import base64
import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from apikeys.gate import sealed
from apikeys.models import ApiKey, Counter, LimitOverride, SettledHold, Tier
from momentry.common.crypto.keyring import get_ring
from tests import make
from tests.apikeys.calls import client

pytestmark = pytest.mark.django_db
VERIFY, SETTLE = "/api/v1/keys/verify", "/api/v1/keys/settle"
LIMITS = {"tokens_per_day": 1000, "cost_micro_per_month": 5000, "requests_per_month": 10}


@pytest.fixture
def caller():
    return client(make.service_key("validator").secret)


@pytest.fixture
def key():
    make.tier("budget", **LIMITS)
    return make.key(make.member(tier="budget")).secret


@pytest.fixture
def verify(caller, key):
    def ask(**question):
        return caller.post(VERIFY, {"key": key, **question}, format="json").json()

    return ask


@pytest.fixture
def settle(caller):
    def say(hold, **costs):
        return caller.post(SETTLE, {"hold": hold, **costs}, format="json")

    return say


def used():
    return dict(Counter.objects.filter(used__gt=0).values_list("metric", "used"))


def left(answer):
    return {limit["name"]: limit["remaining"] for limit in answer["limits"]}


def test_what_is_held_is_settled_with_what_it_cost(verify, settle):
    held = verify(tokens=300, cost_micro=900)
    assert held["valid"]
    assert used() == {"requests": 1, "tokens": 300, "cost_micro": 900}

    answer = settle(held["hold"], tokens=120, cost_micro=0)

    assert answer.status_code == 200
    body = answer.json()
    assert (body["outcome"], body["tokens"], body["cost_micro"]) == ("settled", 120, 0)
    assert body["key_id"] == held["key_id"]
    assert set(body) == {"key_id", "outcome", "tokens", "cost_micro", "settled_at"}
    assert used() == {"requests": 1, "tokens": 120}


def test_limits_are_told_with_their_units(verify):
    found = {limit["name"]: limit for limit in verify(tokens=300)["limits"]}

    assert (found["tokens-daily"]["remaining"], found["tokens-daily"]["unit"]) == (700, "tokens")
    assert found["tokens-daily"]["reset_at"] is not None
    assert found["cost-monthly"]["unit"] == "cost_micro"
    assert found["cost-monthly"]["remaining"] == 4999  # nobody said what it costs: one is held
    assert {name for name, limit in found.items() if not limit["is_rate_limited"]} == {
        "second", "minute", "concurrent", "daily", "lifetime", "tokens-monthly", "tokens-lifetime",
        "cost-daily", "cost-lifetime",
    }  # fmt: skip


def test_without_a_hold_no_budget_is_told_or_touched(verify):
    answer = verify()

    assert "hold" not in answer
    assert set(left(answer)) == {"second", "minute", "concurrent", "daily", "monthly", "lifetime"}
    assert used() == {"requests": 1}


def test_a_refund_gives_back_the_request_too(verify, settle):
    held = verify(tokens=300, cost_micro=900, cost=4)

    answer = settle(held["hold"])

    assert (answer.status_code, answer.json()["outcome"]) == (200, "refunded")
    assert used() == {}


def test_one_that_is_not_said_counts_as_it_was_held(verify, settle):
    held = verify(tokens=300, cost_micro=900)

    assert settle(held["hold"], tokens=20).json()["cost_micro"] is None
    assert used() == {"requests": 1, "tokens": 20, "cost_micro": 900}


def test_a_repetition_changes_nothing_and_is_told_the_same(verify, settle):
    held = verify(tokens=300)["hold"]
    first = settle(held, tokens=100)

    for costs in ({"tokens": 100}, {"tokens": 0}, {}, {"cost_micro": 7}):
        again = settle(held, **costs)
        assert (again.status_code, again.json()) == (200, first.json())

    assert used() == {"requests": 1, "tokens": 100, "cost_micro": 1}


def test_what_is_never_settled_stays_counted(verify):
    verify(tokens=600)

    refused = verify(tokens=500)

    assert (refused["valid"], refused["code"], refused["hold"]) == (False, "quota_exceeded", None)
    assert refused["detail"].startswith(
        "The tokens-daily quota of 1000 tokens has 400 left and this call holds 500; it resets at "
    )
    assert left(refused)["tokens-daily"] == 400
    assert used() == {"requests": 1, "tokens": 600, "cost_micro": 1}


def test_a_call_that_cost_more_passes_the_limit_once_and_then_nobody_does(verify, settle):
    held = verify(tokens=900)["hold"]
    settle(held, tokens=1700)

    answers = [verify(tokens=tokens) for tokens in (0, 1)]

    assert used()["tokens"] == 1700
    assert [answer["code"] for answer in answers] == ["quota_exceeded"] * 2
    assert left(answers[0])["tokens-daily"] == 0
    assert verify()["code"] == "quota_exceeded"  # nor who only asks (decision 22)


def test_a_dry_run_holds_nothing(verify):
    assert verify(tokens=1000, dry_run=True)["valid"]
    refused = verify(tokens=1001, dry_run=True, explain=True)

    assert (refused["code"], refused["hold"]) == ("quota_exceeded", None)
    assert refused["checks"][-1]["code"] == "quota_exceeded"
    assert used() == {}


def test_limits_may_change_between_hold_and_settlement(verify, settle):
    held = verify(tokens=900)["hold"]
    Tier.objects.filter(pk="budget").update(tokens_per_day=100)
    assert verify(tokens=1)["code"] == "quota_exceeded"

    settle(held, tokens=50)

    assert left(verify(tokens=50))["tokens-daily"] == 0
    Tier.objects.filter(pk="budget").update(tokens_per_day=2000)
    assert left(verify(tokens=1900))["tokens-daily"] == 0
    assert used()["tokens"] == 2000


def test_a_keys_own_budget_and_its_members_hold_together(verify, settle, key):
    own = ApiKey.objects.get(pk=key.split("_")[1])
    LimitOverride.objects.create(key=own, name="tokens_lifetime", value=400)
    held = verify(tokens=300)
    assert left(held)["key-tokens-lifetime"] == 100

    assert verify(tokens=101)["detail"].endswith("it does not reset.")
    settle(held["hold"], tokens=10)

    assert (
        sorted(Counter.objects.filter(metric="tokens").values_list("used", flat=True)) == [10] * 2
    )


def test_forged_and_foreign_holds_are_alike(verify, settle, caller):
    hold = verify(tokens=300)["hold"]
    version, payload, signature = hold.split(".")
    changed = json.loads(base64.urlsafe_b64decode(payload)) | {"cal": "key:0"}
    forged = base64.urlsafe_b64encode(json.dumps(changed).encode()).decode()
    other = client(make.service_key("validator").secret)

    answers = [
        settle("x"), settle(f"{version}.{forged}.{signature}", tokens=0), settle(hold[:-1]),
        settle(f"h2.{payload}.{signature}"), other.post(SETTLE, {"hold": hold}, format="json"),
    ]  # fmt: skip

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {
        (422, "hold_invalid")
    }
    assert used()["tokens"] == 300


def test_a_hold_ends_after_an_hour_and_stays_counted(verify, settle, caller):
    hold = verify(tokens=300)["hold"]
    key = get_ring().derive(sealed.PURPOSE)
    own = "key:" + ApiKey.objects.get(role="validator").pk.hex
    opened = sealed.unseal(hold, [key], caller=own)
    assert timedelta(minutes=59) < opened.ends_at - timezone.now() <= timedelta(hours=1)
    ended = sealed.seal(opened._replace(ends_at=timezone.now()), key)

    answer = settle(ended, tokens=0)

    assert (answer.status_code, answer.json()["code"]) == (410, "hold_expired")
    assert used()["tokens"] == 300
    assert settle(hold, tokens=0).status_code == 200


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/hold"), ({"hold": ""}, "#/hold"), ({"hold": "x" * 9000}, "#/hold"),
        ({"hold": "x", "tokens": -1}, "#/tokens"), ({"hold": "x", "cost": 1}, "#/cost"),
        ({"hold": "x", "cost_micro": 10**13}, "#/cost_micro"),
    ],
    ids=["none", "empty", "long", "negative", "unknown", "large"],
)  # fmt: skip
def test_faults_have_pointers(caller, body, pointer):
    answer = caller.post(SETTLE, body, format="json")

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


@pytest.mark.parametrize("tokens", [-1, 1.5, True, "1", None, 10**13], ids=repr)
def test_odd_amounts_are_not_held(verify, tokens):
    assert verify(tokens=tokens)["errors"][0]["pointer"] == "#/tokens"


def test_who_may_settle(api, key):
    members = ApiKey.objects.get(pk=key.split("_")[1])
    ApiKey.objects.filter(pk=members.pk).update(scopes=["*:*"])

    for secret in (key, make.service_key("metrics").secret):
        answer = api.post(SETTLE, {"hold": "x"}, HTTP_X_API_KEY=secret)
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert api.post(SETTLE, {"hold": "x"}).json()["code"] == "missing_key"


def test_me_shows_what_is_left_of_budgets(verify, api, key):
    verify(tokens=300)

    answer = api.get("/api/v1/me", HTTP_X_API_KEY=key)

    found = {limit["name"]: limit["remaining"] for limit in answer.json()["limits"]}
    assert found == {"monthly": 9, "tokens-daily": 700, "cost-monthly": 4999}
    assert '"tokens-daily";q=1000;w=86400;qu="tokens"' in answer.headers["RateLimit-Policy"]
    assert '"cost-monthly";q=5000;' in answer.headers["RateLimit-Policy"]
    assert answer.headers["X-RateLimit-Limit"] == "10"  # of requests, as everybody takes it
    other = api.get("/api/v1/me/keys", HTTP_X_API_KEY=key)
    assert "tokens" not in other.headers["RateLimit-Policy"]


def test_settled_holds_are_forgotten_a_day_after_their_end(verify, settle, capsys):
    for hours, is_kept in ((23, True), (25, False)):
        settle(verify(tokens=1)["hold"], tokens=1)
        SettledHold.objects.update(ends_at=timezone.now() - timedelta(hours=hours))
        call_command("purge_holds")
        assert SettledHold.objects.exists() is is_kept
        SettledHold.objects.all().delete()

    assert capsys.readouterr().out == "Purged 0 holds.\nPurged 1 holds.\n"
