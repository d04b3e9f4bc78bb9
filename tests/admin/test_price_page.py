"""The page of a price saves through the services: one change, one event."""

from typing import Any

from django.test import Client
from django.urls import reverse

from events.models import Event
from proxy.models import Price
from tests.admin.conftest import House, clerk
from tests.admin.pages import change

ADD = "admin:proxy_price_add"


def form(house: House, **given: Any) -> dict[str, Any]:
    return {
        "model": "gpt*", "upstream": str(house.upstream.pk), "input_micro": 5, "cached_micro": "",
        "output_micro": 7, "max_tokens": "", "effective_from_0": "2027-01-01",
        "effective_from_1": "00:00:00",
    } | given  # fmt: skip


def kinds() -> list[str]:
    return list(Event.objects.filter(kind__startswith="price:").values_list("kind", flat=True))


def test_a_price_is_added_changed_and_removed(house: House, root: Client) -> None:
    assert root.post(reverse(ADD), form(house)).status_code == 302
    price = Price.objects.get()
    assert (price.upstream, price.cached_micro, price.output_micro) == (house.upstream, None, 7)

    assert root.post(change(Price, price.pk), form(house, cached_micro=2)).status_code == 302
    price.refresh_from_db()
    assert (price.cached_micro, price.input_micro) == (2, 5)

    gone = reverse("admin:proxy_price_delete", args=[price.pk])
    assert root.post(gone, {"post": "yes"}).status_code == 302
    assert not Price.objects.exists()
    assert sorted(kinds()) == ["price:created", "price:deleted", "price:updated"]


def test_what_is_no_price_is_refused_on_the_page(house: House, root: Client) -> None:
    assert root.post(reverse(ADD), form(house)).status_code == 302

    for given in ({}, {"model": "a*b"}, {"input_micro": -1}, {"max_tokens": 0}):
        assert root.post(reverse(ADD), form(house, **given)).status_code == 200
    assert Price.objects.count() == 1
    assert kinds() == ["price:created"]


def test_who_may_only_look_changes_nothing(house: House) -> None:
    client = clerk("view_price")
    price = Price.objects.create(model="x", input_micro=1, output_micro=1)

    assert client.post(reverse(ADD), form(house)).status_code == 403
    assert client.post(change(Price, price.pk), form(house)).status_code == 403
    assert client.get(change(Price, price.pk)).status_code == 200
    assert Price.objects.get().model == "x"
