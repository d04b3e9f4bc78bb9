"""Anomalies in the web admin: their figures, and where they are told."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apikeys.models import Anomaly, ApiKey
from tests.admin.conftest import House, clerk
from tests.admin.pages import change, changelist

HOUR = timezone.now().replace(minute=0, second=0, microsecond=0)
FIGURES = {"rate": 5210, "failures": 0.87, "networks": 4, "cost": 12.5}


@pytest.fixture
def watched(house: House) -> House:
    for rule, value in FIGURES.items():
        Anomaly.objects.create(
            key=house.claimed, rule=rule, hour=HOUR, value=value, usual=0.1, threshold=1
        )
    return house


def row_of(key: ApiKey, root: Client) -> str:
    text = root.get(changelist(ApiKey), {"q": key.key_prefix}).content.decode()
    return text.partition('id="result_list"')[2].partition("</table>")[0]


def test_they_tell_their_figures_in_their_units(watched: House, root: Client) -> None:
    text = root.get(changelist(Anomaly)).content.decode()

    for word in ("5,210 calls", "87 % failed", "4 new", "12.50", "unusual rate", "bob"):
        assert word in text


def test_keys_with_fresh_ones_are_marked(watched: House, root: Client) -> None:
    assert "anomaly" in row_of(watched.claimed, root)
    assert "anomaly" not in row_of(watched.unclaimed, root)

    Anomaly.objects.update(found_at=timezone.now() - timedelta(days=2))
    assert "anomaly" not in row_of(watched.claimed, root)


def test_the_page_of_a_key_leads_there(watched: House, root: Client) -> None:
    text = root.get(change(ApiKey, watched.claimed.pk)).content.decode()

    assert f"{changelist(Anomaly)}?q={watched.claimed.pk}" in text


def test_the_dashboard_counts_fresh_ones(watched: House, root: Client) -> None:
    assert "Anomalies" in root.get("/admin/").content.decode()
    assert "Anomalies" not in clerk("view_apikey").get("/admin/").content.decode()


def test_its_own_page_tells_the_rule_and_the_figures(watched: House, root: Client) -> None:
    text = root.get(change(Anomaly, Anomaly.objects.get(rule="rate").pk)).content.decode()

    for word in ("unusual rate", "5,210 calls", f"key_id__exact={watched.claimed.pk}"):
        assert word in text
    assert "(&#x27;" not in text
