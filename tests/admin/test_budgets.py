"""Budgets in the admin: of a tier's form, and behind the button of a member's limits."""

from django.test import Client

from apikeys.models import LimitOverride, Tier
from tests.admin.conftest import House
from tests.admin.pages import button, change

NO_GRANTS = {f"grants-{part}_FORMS": 0 for part in ("TOTAL", "INITIAL")}


def test_a_tiers_budgets_are_set_in_its_form(root: Client) -> None:
    given = {"name": "Trial", "tokens_per_day": "5000", "cost_micro_lifetime": "2500000"}

    answer = root.post(change(Tier, "trial"), NO_GRANTS | given)

    assert answer.status_code == 302
    trial = Tier.objects.get(pk="trial")
    assert (trial.tokens_per_day, trial.cost_micro_lifetime) == (5000, 2_500_000)
    page = root.get(change(Tier, "trial")).content.decode()
    assert "millionths of the currency" in page
    refused = root.post(change(Tier, "trial"), NO_GRANTS | given | {"tokens_per_day": "0"})
    assert "tokens_per_day" in refused.context["adminform"].form.errors


def test_a_members_budgets_are_set_behind_the_button(house: House, root: Client) -> None:
    url = button(house.bob, "limits_this")

    root.post(url, {"tokens_per_month": "1,000,000", "cost_micro_per_day": "unlimited"})

    rows = LimitOverride.objects.filter(member=house.bob).values_list("name", "value")
    assert dict(rows) == {"tokens_per_month": 1_000_000, "cost_micro_per_day": None}
    assert "Millionths of cost per day" in root.get(url).content.decode()
