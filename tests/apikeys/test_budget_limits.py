"""Budgets are limits like the others, of tiers, overrides and templates: shown and bounded."""

import json

import pytest

from apikeys.models import KeyTemplate, LimitOverride, Tier
from apikeys.models.rights import LIMITS
from events.models import Event
from tests import make
from tests.apikeys.calls import KEYS, MINE, client, pointers

pytestmark = pytest.mark.django_db
TIERS = "/api/v1/admin/tiers"
BUDGETS = [name for name in LIMITS if name.startswith(("tokens", "cost"))]
SERVICE = {"service_name": "llm", "name": "llm"}


def test_the_seeded_tiers_have_none():
    assert len(BUDGETS) == 6
    for tier in Tier.objects.all():
        assert [getattr(tier, name) for name in BUDGETS] == [None] * 6


@pytest.mark.parametrize("name", BUDGETS)
def test_a_tier_gives_them_and_0_is_none(admin_api, name):
    changed = admin_api.patch(f"{TIERS}/starter", {name: 2_500_000})
    refused = admin_api.patch(f"{TIERS}/starter", {name: 0})

    assert (changed.status_code, changed.json()[name]) == (200, 2_500_000)
    assert pointers(refused) == [f"#/{name}"]
    event = Event.objects.get(kind="tier:updated")
    change = {"before": {name: None}, "after": {name: 2_500_000}}
    assert json.loads(event.details) == {"fields": [name], **change}


def test_a_key_shows_its_members_and_its_own_with_their_units(admin_api):
    alice = make.member(tier=make.tier("llm", tokens_per_day=1000, cost_micro_lifetime=5).slug)
    wish = {"owner": str(alice.pk), "name": "x", "limit_overrides": {"tokens_per_month": 70}}

    limits = admin_api.post(KEYS, wish).json()["limits"]

    assert limits == [
        {"name": "tokens-daily", "unit": "tokens", "limit": 1000},
        {"name": "cost-lifetime", "unit": "cost_micro", "limit": 5},
        {"name": "key-tokens-monthly", "unit": "tokens", "limit": 70},
    ]


def test_a_members_own_replace_the_tiers(admin_api):
    alice = make.member()
    path = f"/api/v1/admin/users/{alice.pk}/limits"
    wanted = {"tokens_per_day": 5, "cost_micro_per_month": None}

    assert admin_api.put(path, wanted).json() == wanted == admin_api.get(path).json()
    assert pointers(admin_api.put(path, {"cost_per_day": 5})) == ["#/cost_per_day"]


def test_a_template_bounds_them(admin_api):
    KeyTemplate.objects.create(
        slug="llm", key_type="service", role="metrics", max_limits={"tokens_per_day": 100}
    )

    bounded = admin_api.post(KEYS, SERVICE | {"template": "llm"}).json()
    over = SERVICE | {"template": "llm", "limit_overrides": {"tokens_per_day": 101}}

    assert bounded["limit_overrides"] == {"tokens_per_day": 100}
    assert pointers(admin_api.post(KEYS, over)) == ["#/limit_overrides/tokens_per_day"]


def test_a_key_with_a_budget_makes_no_keys():
    issued = make.key()
    LimitOverride.objects.create(key=issued.key, name="cost_micro_per_day", value=50)
    caller = client(issued.secret)

    def give(value):
        return caller.post(MINE, {"name": "x", "limit_overrides": {"cost_micro_per_day": value}})

    assert [give(value).json()["code"] for value in (50, 51, None)] == ["permission_denied"] * 3
    assert "of its own on millionths of cost per day" in give(50).json()["detail"]
