"""What calls cost, by the prices that staff set: in the log, and of budgets of cost."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from proxy.models import Price, Upstream
from tests.gateway import metered
from tests.gateway.conftest import Database
from tests.gateway.metered import assert_used, path_of, sized
from tests.gateway.processes import Gateway
from tests.gateway.unit.usage.recorded import CHAT, JSON, compact
from tests.gateway.wire import Server, within

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module", autouse=True)
def _upstreams(database: Database, upstream: Server) -> Iterator[None]:
    with metered.metered_upstreams(database, upstream):
        yield
    with database.rows():
        Price.objects.all().delete()


@pytest.fixture(scope="module")
def key(database: Database) -> str:
    return metered.limited(database)


def set_price(database: Database, model: str, **given: Any) -> None:
    slug = given.pop("upstream", None)
    values = {"input_micro": 2_000_000, "output_micro": 6_000_000} | given
    with database.rows():
        of = Upstream.objects.get(slug=slug) if slug else None
        since = values.pop("effective_from", timezone.now() - HOUR)
        Price.objects.create(upstream=of, model=model, effective_from=since, **values)


def answer_of(upstream: Server, model: str, **usage: Any) -> str:
    usage = {"prompt_tokens": 100, "completion_tokens": 10} | usage
    body = compact(CHAT | {"model": model, "usage": usage}).encode()
    return path_of(upstream, sized(JSON, body))


def body_of(model: str, **asked: Any) -> bytes:
    return json.dumps({"model": model, "messages": []} | asked).encode()


def cost_of(gateway: Gateway, database: Database, path: str, key: str, form: str = "openai") -> Any:
    answer = gateway.ask(metered.ask(form, path, key))
    return metered.row(database, answer)["cost_micro"]


def test_a_call_costs_what_its_model_costs(
    gateway: Gateway, database: Database, upstream: Server, key: str
) -> None:
    set_price(database, "c1-*", cached_micro=500_000)
    set_price(database, "c1-mini", upstream="m-openai", input_micro=1_000_000, output_micro=0)
    set_price(database, "c1-late", effective_from=timezone.now() + HOUR, input_micro=0)

    def cost(model: str, **usage: Any) -> Any:
        path = answer_of(upstream, model, **usage)
        return cost_of(gateway, database, path, key)

    assert cost("c1-any") == 100 * 2 + 10 * 6
    assert cost("c1-any", prompt_tokens_details={"cached_tokens": 60}) == 40 * 2 + 30 + 10 * 6
    assert cost("c1-mini") == 100
    assert cost("c1-late") == 260
    assert cost("c1-any", completion_tokens=0, prompt_tokens=0) == 0
    assert cost("c2-unpriced") is None


def test_a_price_counts_within_a_second_in_every_process(
    gateway: Gateway, database: Database, upstream: Server, key: str
) -> None:
    path = answer_of(upstream, "c3")
    assert cost_of(gateway, database, path, key) is None

    set_price(database, "c3")
    assert {cost_of(gateway, database, path, key) for _ in range(6)} == {260}
    database.execute("UPDATE proxy_price SET input_micro = 0 WHERE model = 'c3'")
    assert within(1, lambda: cost_of(gateway, database, path, key) == 60)


def test_a_budget_of_cost_holds_the_most_and_is_settled(
    gateway: Gateway, database: Database, upstream: Server
) -> None:
    set_price(database, "c4", max_tokens=500)
    body = body_of("c4")
    held = -(-len(body) // 3) * 2 + 500 * 6
    path = answer_of(upstream, "c4-2026")  # the one that answers has no price of its own

    def status(key: str, body: bytes = body) -> int:
        return gateway.ask(metered.ask("openai", path, key, body=body)).status

    less = metered.limited(database, cost_micro_per_month=held - 1, tokens_per_day=9999)
    assert status(less) == 429
    assert upstream.heads_of(path) == []
    assert_used(database, less, {"cost_micro": 0, "tokens": 0})
    assert status(less, body_of("c4", max_tokens=490)) == 200
    assert_used(database, less, {"cost_micro": 260, "tokens": 110})

    enough = metered.limited(database, cost_micro_per_month=held)
    assert status(enough) == 200
    assert_used(database, enough, {"cost_micro": 260})


def test_a_model_without_a_price_costs_one_of_a_budget(
    gateway: Gateway, database: Database, upstream: Server
) -> None:
    key = metered.limited(database, cost_micro_per_month=2)
    call = metered.ask("openai", answer_of(upstream, "c5"), key, body=body_of("c5"))
    wire = gateway.connect()

    assert [wire.send(call).answer().status for _ in range(3)] == [200, 200, 429]
    assert_used(database, key, {"cost_micro": 2})
