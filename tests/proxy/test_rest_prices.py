"""Prices over REST: set, listed, changed and removed, each change an event."""

import json

import pytest

from events.models import Event
from proxy.models import Price
from tests import make
from tests.apikeys.calls import pointers

pytestmark = pytest.mark.django_db

PRICES = "/api/v1/admin/prices"
NEW = {
    "upstream": "llm", "model": "gpt-5*", "input_micro": 1_250_000, "cached_micro": 125_000,
    "output_micro": 10_000_000, "max_tokens": 16_384, "effective_from": "2027-01-01T00:00:00Z",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _llm(db):
    make.upstream("llm")


def test_a_price_is_set_and_read(admin_api):
    made = admin_api.post(PRICES, NEW)

    assert made.status_code == 201, made.content
    found = admin_api.get(made["Location"])
    assert found.json() == made.json()
    assert NEW.items() <= made.json().items()
    event = Event.objects.get(kind="price:created")
    assert event.subject == f"price:{made.json()['id']}"
    assert json.loads(event.details)["output_micro"] == 10_000_000


def test_what_is_left_out_has_its_default(admin_api):
    made = admin_api.post(PRICES, {"model": "*", "input_micro": 0, "output_micro": 0})

    body = made.json()
    assert (body["upstream"], body["cached_micro"], body["max_tokens"]) == (None, None, None)
    assert body["effective_from"] <= body["created_at"]


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"model": ""}, "#/model"), ({"model": "a*b"}, "#/model"), ({"model": "a**"}, "#/model"),
        ({"model": "x" * 101}, "#/model"), ({"model": "a\nb"}, "#/model"),
        ({"upstream": "none"}, "#/upstream"), ({"upstream": "A b"}, "#/upstream"),
        ({"input_micro": -1}, "#/input_micro"), ({"input_micro": 10**12 + 1}, "#/input_micro"),
        ({"input_micro": None}, "#/input_micro"), ({"output_micro": "x"}, "#/output_micro"),
        ({"output_micro": 1.5}, "#/output_micro"), ({"cached_micro": -1}, "#/cached_micro"),
        ({"max_tokens": 0}, "#/max_tokens"), ({"effective_from": "soon"}, "#/effective_from"),
        ({"currency": "EUR"}, "#/currency"), ({"id": "x"}, "#/id"),
    ],
)  # fmt: skip
def test_what_is_no_price_is_refused(admin_api, given, pointer):
    made = admin_api.post(PRICES, NEW).json()

    assert pointers(admin_api.post(PRICES, NEW | given)) == [pointer]
    assert pointers(admin_api.patch(f"{PRICES}/{made['id']}", given)) == [pointer]
    assert Price.objects.count() == 1


def test_one_price_at_a_time(admin_api):
    everywhere = NEW | {"upstream": None}
    first = admin_api.post(PRICES, everywhere)
    assert admin_api.post(PRICES, everywhere).status_code == 409
    assert admin_api.post(PRICES, NEW).status_code == 201
    later = admin_api.post(PRICES, everywhere | {"effective_from": "2027-02-01T00:00:00Z"})
    assert later.status_code == 201

    moved = {"effective_from": "2027-01-01T00:00:00Z"}
    assert admin_api.patch(later["Location"], moved).status_code == 409
    assert admin_api.get(first["Location"]).status_code == 200


def test_a_change_names_what_changes(admin_api):
    where = admin_api.post(PRICES, NEW)["Location"]

    changed = admin_api.patch(where, {"cached_micro": None, "upstream": None})

    expected = NEW | {"cached_micro": None, "upstream": None}
    assert expected.items() <= changed.json().items()
    told = json.loads(Event.objects.get(kind="price:updated").details)
    assert told["fields"] == ["cached_micro", "upstream"]
    assert told["before"] == {name: NEW[name] for name in told["fields"]}
    assert told["after"] == {"cached_micro": None, "upstream": None}


def test_a_price_is_removed(admin_api):
    where = admin_api.post(PRICES, NEW)["Location"]

    assert admin_api.delete(where).status_code == 204
    assert [call(where).status_code for call in (admin_api.get, admin_api.delete)] == [404, 404]
    assert admin_api.patch(where, {"input_micro": 1}).status_code == 404
    assert json.loads(Event.objects.get(kind="price:deleted").details)["model"] == "gpt-5*"


def test_a_repeat_sets_it_once(admin_api):
    answers = [admin_api.post(PRICES, NEW, HTTP_IDEMPOTENCY_KEY="k1") for _ in range(2)]

    assert answers[0].json() == answers[1].json()
    assert Price.objects.count() == 1


def test_a_list_is_filtered_and_comes_in_pages(admin_api):
    make.upstream("other")
    for number in range(25):
        model = "even" if number % 2 == 0 else "odd"
        upstream = "other" if number == 7 else None
        since = f"2027-01-{number + 1:02}T00:00:00Z"
        given = NEW | {"model": model, "upstream": upstream, "effective_from": since}
        assert admin_api.post(PRICES, given).status_code == 201

    first = admin_api.get(PRICES).json()
    assert (first["total"], len(first["results"]), first["results"][0]["model"]) == (25, 20, "even")
    assert len(admin_api.get(PRICES, {"page": 2}).json()["results"]) == 5
    assert admin_api.get(PRICES, {"model": "odd"}).json()["total"] == 12
    assert admin_api.get(PRICES, {"upstream": "other"}).json()["total"] == 1
    assert pointers(admin_api.get(PRICES, {"ordering": "model"})) == ["?ordering"]


def test_an_upstream_takes_its_own_prices_along(admin_api):
    admin_api.post(PRICES, NEW)
    kept = admin_api.post(PRICES, NEW | {"upstream": None})

    assert admin_api.delete("/api/v1/admin/upstreams/llm").status_code == 204

    assert [str(price.pk) for price in Price.objects.all()] == [kept.json()["id"]]
