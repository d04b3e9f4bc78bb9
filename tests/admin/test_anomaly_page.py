"""Anomalies in the web admin: their figures, and where they are told."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apikeys.models import Anomaly, ApiKey
from momentry import navigation
from tests.admin.conftest import House, clerk
from tests.admin.pages import change, changelist

HOUR = timezone.now().replace(minute=0, second=0, microsecond=0)
FIGURES = {"rate": 5210, "failures": 0.87, "networks": 4, "cost": 12.5}


@pytest.fixture
def watched(house: House, monkeypatch: Any) -> House:
    monkeypatch.setattr(navigation, "KEPT_SECONDS", 0.0)
    monkeypatch.setattr(navigation.fresh_anomalies, "until", 0.0)
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


def badge_in(page: str) -> str:
    """What the sidebar shows beside its link to the anomalies."""
    rest = page.partition(f'href="{changelist(Anomaly)}"')[2].partition("</a>")[0]
    return " ".join(re.sub(r"<[^>]*>", " ", rest.partition(">")[2]).split()).removeprefix(
        "monitoring Anomalies"
    )


def test_the_sidebar_counts_fresh_ones(watched: House, root: Client) -> None:
    assert badge_in(root.get("/admin/").content.decode()).strip() == "4"

    Anomaly.objects.filter(rule="rate").update(found_at=timezone.now() - timedelta(days=2))
    assert badge_in(root.get("/admin/").content.decode()).strip() == "3"

    Anomaly.objects.update(found_at=timezone.now() - timedelta(days=2))
    assert badge_in(root.get("/admin/").content.decode()) == ""


def test_the_sidebar_counts_no_further_than_it_shows(watched: House, root: Client) -> None:
    Anomaly.objects.bulk_create(
        Anomaly(
            key=watched.claimed, rule="rate", hour=HOUR - timedelta(hours=number),
            value=1, usual=1, threshold=1,
        )
        for number in range(1, 97)
    )  # fmt: skip

    assert badge_in(root.get("/admin/").content.decode()).strip() == "99+"


def test_for_who_may_not_see_them_nothing_is_counted(watched: House) -> None:
    with CaptureQueriesContext(connection) as asked:
        clerk("view_apikey").get("/admin/")

    assert not [q for q in asked.captured_queries if "apikeys_anomaly" in q["sql"]]


def test_its_own_page_tells_the_rule_and_the_figures(watched: House, root: Client) -> None:
    text = root.get(change(Anomaly, Anomaly.objects.get(rule="rate").pk)).content.decode()

    for word in ("unusual rate", "5,210 calls", f"key_id__exact={watched.claimed.pk}"):
        assert word in text
    assert "(&#x27;" not in text
