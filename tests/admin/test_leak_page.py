"""Leaks in the web admin: which key was found where, and what became of it."""

import pytest
from django.test import Client

from apikeys.models import ApiKey, Leak
from apikeys.services.leaks import Proven, Report, take_leak
from tests.admin.conftest import House
from tests.admin.pages import change, changelist
from tests.apikeys.leaking import given

PLACE = f"https://example.org/<b>x</b>/{'y' * 200}"


@pytest.fixture
def leaked(house: House, settings) -> House:
    settings.LEAKS = given()
    take_leak(
        Proven(house.claimed.pk), Report("github", "commit", PLACE), secret="x" * 40, actor="test"
    )
    return house


def test_a_leak_tells_the_key_the_place_and_what_became(leaked: House, root: Client) -> None:
    text = root.get(changelist(Leak)).content.decode()

    for word in ("quarantined", "github", "bob", leaked.claimed.key_prefix):
        assert word in text
    assert "https://example.org/&lt;b&gt;" in text
    assert "<b>x</b>" not in text


def test_its_page_tells_the_whole_place(leaked: House, root: Client) -> None:
    text = root.get(change(Leak, Leak.objects.get().pk)).content.decode()

    assert "y" * 200 in text
    assert "quarantined" in text
    assert "(&#x27;" not in text
    assert "<b>x</b>" not in text


def test_the_page_of_a_key_leads_there(leaked: House, root: Client) -> None:
    text = root.get(change(ApiKey, leaked.claimed.pk)).content.decode()

    assert f"{changelist(Leak)}?q={leaked.claimed.pk}" in text
