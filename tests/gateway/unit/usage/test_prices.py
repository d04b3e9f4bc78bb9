"""Which price a call has, and what it comes to."""

from datetime import UTC, datetime, timedelta

import pytest

from proxy.usage.prices import Price, Prices

NOW = datetime(2026, 11, 22, tzinfo=UTC)
DAY = timedelta(days=1)


def price(
    model: str, upstream: str = "", since: datetime = NOW - DAY, **given: int | None
) -> Price:
    values = {"read": 1, "cached": None, "wrote": 1, "most": None, **given}
    return Price(upstream, model, since=since, **values)


def found(rows: list[Price], model: str = "gpt-5-mini", at: datetime = NOW) -> Price | None:
    prices = Prices()
    prices.replace([tuple(row) for row in rows])
    first = prices.find("llm", model, at)
    assert prices.find("llm", model, at) == first  # from memory
    return first


@pytest.mark.parametrize(
    ("other", "wins"),
    [
        (price("*"), price("gpt*")),
        (price("gpt*"), price("gpt-5*")),
        (price("gpt-5-mini*"), price("gpt-5-mini")),
        (price("gpt-5-mini*", "llm"), price("gpt-5-mini")),
        (price("gpt-5*"), price("gpt-5*", "llm")),
        (price("gpt*", "llm"), price("gpt-5*")),
        (price("gpt*"), price("gpt*", since=NOW)),
        (price("gpt*", since=NOW - 2 * DAY), price("gpt*")),
        (price("gpt-5-mini", since=NOW + DAY), price("gpt*")),
        (price("gpt-5-mini", "other"), price("gpt*")),
        (price("gpt-5"), price("*")),
        (price("GPT-5-MINI"), price("*")),
    ],
)
def test_the_longest_match_then_the_upstreams_own_then_the_latest(other, wins):
    assert found([other, wins]) == found([wins, other]) == wins


def test_no_price_is_none_and_not_nought():
    assert found([]) is None
    assert found([price("claude*"), price("gpt*", since=NOW + DAY)]) is None
    assert found([price("*")], model="") is None
    assert found([price("gpt*")], at=NOW - DAY) == price("gpt*")
    assert found([price("gpt*")], at=NOW - DAY - timedelta.resolution) is None


@pytest.mark.parametrize(
    ("given", "used", "cost"),
    [
        ({"read": 1_250_000, "cached": 125_000, "wrote": 10_000_000}, (100, 60, 7), 128),
        ({"read": 1_250_000, "cached": None, "wrote": 0}, (100, 60, 7), 125),
        ({"read": 2_000_000, "cached": 0, "wrote": 0}, (10, 99, 0), 0),
        ({"read": 1, "wrote": 0}, (499_999, 0, 0), 0),
        ({"read": 1, "wrote": 0}, (500_000, 0, 0), 1),
        ({"read": 1, "wrote": 0}, (1_499_999, 0, 0), 1),
        ({"read": 10**12, "wrote": 10**12}, (10**12, 0, 10**12), 2 * 10**18),
    ],
)
def test_whole_numbers_and_halves_up(given, used, cost):
    assert price("x", **given).cost(*used) == cost


def test_what_a_call_may_cost_is_never_less_than_what_it_costs():
    dear = price("x", read=1_250_000, cached=2_000_001, wrote=3)

    assert dear.at_most(10, 4) == 21
    assert all(dear.at_most(10, 4) >= dear.cost(10, cached, 4) for cached in range(11))


def test_made_up_models_fill_no_memory():
    prices = Prices()
    prices.replace([tuple(price("*"))])

    for number in range(5000):
        prices.find("llm", f"m{number}", NOW)

    assert len(prices.kept) <= 1024
