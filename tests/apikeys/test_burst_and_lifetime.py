"""Checks 8 and 9 through Django alone: windows, slots, lifetimes, overrides; refusals are free."""

import time

import pytest
from django.db import DataError, OperationalError

from accounts.models import DEFAULT_STORAGE_BYTES
from apikeys.gate.effects import Enter, Take
from apikeys.models import Counter, LimitOverride, RequestLimit
from apikeys.services import gate
from apikeys.services.entrance import get_entrance
from tests import make

pytestmark = pytest.mark.django_db
ME, VERIFY, VIDEOS = "/api/v1/me", "/api/v1/keys/verify", "/api/v1/nothing-here"


def limited(username="alice", **limits):
    """The key of a member whose tier has these limits."""
    return make.key(make.member(username, tier=make.tier(f"t-{username}", **limits).slug))


def room(seconds=10):
    """Windows are minutes of the clock: the test must not meet the end of one."""
    rest = 60 - time.time() % 60
    if rest < seconds:
        time.sleep(rest + 0.1)


def left(answer):
    return {limit["name"]: limit["remaining"] for limit in answer.json()["limits"]}


def code(answer):
    return "" if answer.status_code == 200 else answer.json()["code"]


def used():
    return sum(Counter.objects.values_list("used", flat=True))


def nothing_is_held():
    return get_entrance().local.held == {}


def test_free_calls_count_in_windows_and_the_refusal_says_when(api):
    room()
    secret = limited(requests_per_minute=2, requests_per_month=5).secret

    answers = [api.get(ME, HTTP_X_API_KEY=secret) for _ in range(3)]

    assert [code(answer) for answer in answers] == ["", "", "rate_limited"]
    refusal = answers[2]
    assert (refusal.status_code, refusal.json()["violated-policies"]) == (429, ["minute"])
    assert 1 <= int(refusal["Retry-After"]) <= 60
    assert refusal["x-should-retry"] == "false"
    assert refusal["RateLimit-Policy"] == '"minute";q=2;w=60'
    assert refusal["X-RateLimit-Remaining"] == "0"


def test_a_sequence_of_calls_never_meets_its_own_slot(api):
    secret = limited(concurrent_requests=1).secret

    answers = [api.get(ME, HTTP_X_API_KEY=secret) for _ in range(10)]

    assert [code(answer) for answer in answers] == [""] * 10
    policy, _, storage = answers[0]["RateLimit-Policy"].partition(", ")
    assert policy == '"concurrent";q=1;qu="concurrent-requests"'
    assert storage == f'"storage";q={DEFAULT_STORAGE_BYTES};qu="content-bytes"'
    assert answers[0]["RateLimit"] == f'"concurrent";r=0, "storage";r={DEFAULT_STORAGE_BYTES}'
    assert answers[0]["X-RateLimit-Limit"] == "1"
    assert "X-RateLimit-Reset" not in answers[0]


def test_a_taken_slot_refuses_and_is_free_after_the_other_request(api):
    issued = limited(concurrent_requests=1)
    key = gate.load(gate.LoadKey(issued.key.pk))
    other = get_entrance().enter(Enter(key.windows, 1, key.now))

    refusal = api.get(ME, HTTP_X_API_KEY=issued.secret)

    assert (code(refusal), refusal["Retry-After"]) == ("rate_limited", "1")
    get_entrance().leave(other.entry, back=False)
    assert code(api.get(ME, HTTP_X_API_KEY=issued.secret)) == ""
    assert nothing_is_held()


@pytest.mark.parametrize("period", ["requests_per_day", "requests_lifetime"])
def test_a_used_up_quota_takes_nothing_of_the_windows(api, period):
    room()
    secret = limited(requests_per_minute=100, concurrent_requests=9, **{period: 1}).secret
    api.get(VIDEOS, HTTP_X_API_KEY=secret)

    refusals = [api.get(VIDEOS, HTTP_X_API_KEY=secret) for _ in range(4)]

    assert {code(answer) for answer in refusals} == {"quota_exceeded"}
    assert '"minute";r=99' in refusals[3]["RateLimit"]
    assert left(api.get(ME, HTTP_X_API_KEY=secret))["minute"] == 98
    assert nothing_is_held()


def test_a_lifetime_has_no_reset(api):
    secret = limited(requests_lifetime=1).secret
    assert api.get(VIDEOS, HTTP_X_API_KEY=secret).status_code == 404

    answer = api.get(VIDEOS, HTTP_X_API_KEY=secret)

    assert (code(answer), answer["x-should-retry"]) == ("quota_exceeded", "false")
    assert "Retry-After" not in answer
    assert (answer["RateLimit-Policy"], answer["RateLimit"]) == ('"lifetime";q=1', '"lifetime";r=0')
    assert answer.json()["detail"].endswith("it does not reset.")
    row = Counter.objects.get(period="lifetime")
    assert (row.used, row.period_start.year) == (1, 1970)


def test_403_gives_units_of_windows_and_quota_back(api):
    room()
    secret = limited(requests_per_minute=100, requests_per_month=100).secret

    assert api.get("/api/v1/admin/ip-rules", HTTP_X_API_KEY=secret).status_code == 403

    assert left(api.get(ME, HTTP_X_API_KEY=secret)) == {"minute": 99, "monthly": 100}


@pytest.mark.parametrize(
    ("error", "status"), [(OperationalError, 503), (DataError, 500), (ValueError, 500)]
)
def test_what_fails_after_the_windows_gives_them_back(api, monkeypatch, error, status):
    room()
    secret = limited(requests_per_minute=100, concurrent_requests=1, requests_per_day=9).secret
    answer = gate.answer

    def broken(effect, rules):
        if isinstance(effect, Take):
            raise error
        return answer(effect, rules)

    with monkeypatch.context() as patch:
        patch.setattr(gate, "answer", broken)
        assert api.get(ME, HTTP_X_API_KEY=secret).status_code == status

    assert left(api.get(ME, HTTP_X_API_KEY=secret))["minute"] == 99


def test_a_defect_of_a_view_frees_the_slot(api, monkeypatch):
    secret = limited(concurrent_requests=1).secret
    monkeypatch.setattr("apikeys.api.views.Me.get", lambda *_: 1 / 0)

    answers = [api.get(ME, HTTP_X_API_KEY=secret) for _ in range(3)]

    assert {code(answer) for answer in answers} == {"internal_error"}
    assert nothing_is_held()


def override(key=None, member=None, **limits):
    for name, value in limits.items():
        assert name in RequestLimit.values
        LimitOverride.objects.create(key=key, member=member, name=name, value=value)


def test_an_override_replaces_the_tiers_limit_and_null_is_unlimited(api):
    issued = limited(requests_per_month=5, requests_per_day=5, requests_lifetime=50)
    override(member=issued.key.owner, requests_per_month=7, requests_per_day=None)

    assert left(api.get(ME, HTTP_X_API_KEY=issued.secret)) == {"monthly": 7, "lifetime": 50}


def test_a_key_has_limits_of_its_own_by_an_override(api):
    room()
    issued = limited(requests_per_month=50)
    sibling = make.key(issued.key.owner, name="sibling")
    override(key=issued.key, requests_lifetime=2, requests_per_minute=9)

    answers = [api.get(VIDEOS, HTTP_X_API_KEY=issued.secret) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [404, 404, 429]
    assert answers[2].json()["violated-policies"] == ["key-lifetime"]
    mine = left(api.get(ME, HTTP_X_API_KEY=issued.secret))
    assert mine == {"key-minute": 6, "monthly": 48, "key-lifetime": 0}
    assert left(api.get(ME, HTTP_X_API_KEY=sibling.secret)) == {"monthly": 48}


def test_the_keys_json_shows_the_limits_it_is_held_to(api):
    issued = limited(requests_per_month=50, requests_per_second=4)
    override(key=issued.key, concurrent_requests=2, requests_per_day=None)
    override(member=issued.key.owner, requests_per_month=60)

    shown = api.get(ME, HTTP_X_API_KEY=issued.secret).json()["key"]["limits"]

    assert [tuple(limit.values()) for limit in shown] == [
        ("second", "requests", 4), ("monthly", "requests", 60),
        ("key-concurrent", "concurrent-requests", 2),
    ]  # fmt: skip


def test_verify_takes_its_cost_of_windows_and_holds_no_slot(api):
    room()
    caller = make.service_key("validator").secret
    secret = limited(requests_per_minute=10, concurrent_requests=1, requests_per_month=99).secret

    def verify(**question):
        given = {"key": secret, "explain": True} | question
        return api.post(VERIFY, given, format="json", HTTP_X_API_KEY=caller).json()

    found = verify(cost=4)
    dry, free = verify(cost=7, dry_run=True), verify(cost=0)
    over = verify(cost=7)

    limits = {limit["name"]: limit for limit in found["limits"]}
    assert [limits[n]["remaining"] for n in ("minute", "concurrent", "monthly")] == [6, 1, 95]
    assert limits["concurrent"]["reset_at"] is None
    assert not limits["lifetime"]["is_rate_limited"]
    assert (dry["code"], free["valid"], over["code"]) == ("rate_limited", True, "rate_limited")
    outcomes = {check["check"]: check["outcome"] for check in over["checks"]}
    assert (outcomes["burst"], outcomes["quota"]) == ("failed", "not_reached")
    assert {limit["name"] for limit in over["limits"]} == {
        "minute", "concurrent", "second", "daily", "lifetime",
    }  # fmt: skip
    assert used() == 4
    assert verify(cost=6)["valid"]
