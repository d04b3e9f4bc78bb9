"""Budgets that keys/verify holds in one of two processes, ended by whichever comes: exact, also
when processes are killed between and while requests are out on lease."""

import json
import os
import signal
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from rest_framework.test import APIClient

from apikeys.ledger import sql
from tests import make
from tests.gateway.books import books
from tests.gateway.conftest import Database, Start
from tests.gateway.limited import limited, subject_of
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import within

VERIFY, SETTLE = "/api/v1/keys/verify", "/api/v1/keys/settle"
JSON = "Content-Type: application/json"
Told = dict[str, Any]
Hold = Callable[..., Told]


@pytest.fixture(scope="module")
def validator(database: Database, seeded: str) -> str:
    with database.rows():
        return make.service_key("validator").secret


def verify(gateway: Gateway, caller: str, key: str, **question: Any) -> Told:
    body = json.dumps({"key": key, **question}).encode()
    answer = gateway.ask(request("POST", VERIFY, caller, JSON, body=body))
    assert answer.status == 200, answer.body
    found: Told = json.loads(answer.body)
    return found


@pytest.fixture
def hold(gateway: Gateway, validator: str) -> Hold:
    return lambda key, **question: verify(gateway, validator, key, **question)


@pytest.fixture
def settle(database: Database, validator: str) -> Callable[..., Told]:
    """In Django, where this route always is."""

    def say(hold: str, **costs: int) -> Told:
        with database.rows():
            answer = APIClient().post(
                SETTLE, {"hold": hold, **costs}, format="json", HTTP_X_API_KEY=validator
            )
        found: Told = answer.json()
        return found

    return say


def used(database: Database, key: str) -> dict[str, int]:
    found = books(database, subject_of(database, key))
    assert database.fetch(sql.VERIFY) == []
    return {name.partition(" ")[0]: units for name, units in found.items()}


def test_any_process_holds_and_django_settles(
    hold: Hold, settle: Callable[..., Told], database: Database
) -> None:
    key = limited(database, tokens_per_day=1000, cost_micro_per_month=9000, requests_lifetime=50)
    held = [hold(key, tokens=100, cost_micro=500)["hold"] for _ in range(6)]
    assert used(database, key) == {"requests": 6, "tokens": 600, "cost_micro": 3000}

    outcomes = [settle(held[0], tokens=40, cost_micro=0), settle(held[1], tokens=140)]
    outcomes += [settle(held[2]), settle(held[2], tokens=5), settle(held[0])]

    told = [outcome["outcome"] for outcome in outcomes]
    assert told == ["settled", "settled", "refunded", "refunded", "settled"]
    assert used(database, key) == {"requests": 5, "tokens": 480, "cost_micro": 2000}


@pytest.mark.slow
def test_many_at_once_hold_exactly_what_there_is_beside_requests_on_lease(
    hold: Hold, settle: Callable[..., Told], database: Database, gateway: Gateway
) -> None:
    key = limited(database, tokens_per_month=1000, requests_per_day=400)
    calls: list[Callable[[], Any]] = []
    calls += [lambda: hold(key, tokens=70)] * 24
    calls += [lambda: gateway.get("/proxy/echo/x", key).status] * 40

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda call: call(), [*calls[::2], *calls[1::2]]))

    told = [answer for answer in answers if isinstance(answer, dict)]
    held = [answer["hold"] for answer in told if answer["valid"]]
    assert len(held) == 1000 // 70
    assert {answer["code"] for answer in told} == {None, "quota_exceeded"}
    assert [answer for answer in answers if isinstance(answer, int)] == [200] * 40
    assert used(database, key) == {"requests": 40 + len(held), "tokens": 70 * len(held)}
    for one in held:
        settle(one, tokens=7)
    assert used(database, key) == {"requests": 40 + len(held), "tokens": 7 * len(held)}


def test_each_hold_is_its_own_though_the_key_is_remembered(
    hold: Hold, settle: Callable[..., Told], database: Database
) -> None:
    key = limited(database, tokens_lifetime=1000)

    for one in [hold(key, tokens=10 * n)["hold"] for n in range(1, 9)]:
        settle(one, tokens=1)

    assert used(database, key) == {"tokens": 8}


def test_units_on_lease_are_called_back_before_a_hold_is_refused(
    hold: Hold, database: Database, gateway: Gateway
) -> None:
    key = limited(database, tokens_lifetime=1000, requests_per_day=320)
    for _ in range(6):
        assert gateway.get("/proxy/echo/x", key).status == 200

    assert hold(key, tokens=1, cost=314)["valid"]

    assert used(database, key) == {"requests": 320, "tokens": 1}
    assert gateway.get("/proxy/echo/x", key).status == 429


@pytest.mark.slow
def test_a_kill_between_hold_and_settlement_loses_nothing(
    start: Start, settle: Callable[..., Told], database: Database, validator: str
) -> None:
    gateway = start(2).wait_until_ready()
    key = limited(database, tokens_lifetime=1000, requests_per_day=1000)
    held = [verify(gateway, validator, key, tokens=100)["hold"] for _ in range(8)]
    before = gateway.children()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    assert used(database, key)["tokens"] == 800  # nobody settled: it stays counted

    for one in held[:5]:
        settle(one, tokens=10)
    settle(held[5])

    assert used(database, key) == {"requests": 7, "tokens": 5 * 10 + 2 * 100}
    assert within(
        15, lambda: len(gateway.children()) == 2 and not set(before) & set(gateway.children())
    )
    gateway.wait_until_ready()
    assert verify(gateway, validator, key, tokens=750)["valid"]
    assert verify(gateway, validator, key, tokens=1)["code"] == "quota_exceeded"


def test_a_lowered_budget_counts_from_the_answer_on_and_a_raised_one_too(
    hold: Hold, settle: Callable[..., Told], database: Database
) -> None:
    key = limited(database, tokens_per_day=1000)
    held = hold(key, tokens=600)["hold"]
    change = "UPDATE apikeys_tier SET tokens_per_day = %s WHERE slug = (SELECT tier FROM"
    change += " accounts_user WHERE id = (SELECT owner_id FROM apikeys_apikey WHERE id = %s))"
    key_id = uuid.UUID(key.split("_")[1])

    database.change(change, 100, key_id)
    assert hold(key, tokens=1)["code"] == "quota_exceeded"
    settle(held, tokens=99)
    assert hold(key, tokens=2)["code"] == "quota_exceeded"
    assert hold(key, tokens=1)["valid"]

    database.execute(change, 1100, key_id)
    assert within(1, lambda: hold(key, tokens=1000)["valid"])
    assert used(database, key)["tokens"] == 1100


def test_a_call_that_cost_more_is_followed_by_refusals_on_every_process(
    hold: Hold, settle: Callable[..., Told], database: Database
) -> None:
    key = limited(database, tokens_per_month=500, cost_micro_per_day=10**6)

    settle(hold(key, tokens=100)["hold"], tokens=900)

    assert {hold(key, tokens=n % 3)["code"] for n in range(8)} == {"quota_exceeded"}
    assert hold(key)["code"] == "quota_exceeded"
    assert hold(key, upstream="echo")["valid"]
    assert used(database, key) == {"tokens": 900, "cost_micro": 1}


SEQUENCE: list[Told] = [
    {"tokens": 300}, {"tokens": 200, "cost_micro": 4000}, {}, {"tokens": 600},
    {"tokens": 500, "dry_run": True}, {"cost_micro": 997, "explain": True}, {"tokens": 0},
    {"tokens": 498, "cost": 2}, {"tokens": 1}, {"cost": 0, "tokens": 1, "explain": True},
]  # fmt: skip


def test_both_doors_hold_alike_and_together(hold: Hold, database: Database, validator: str) -> None:
    limits = {"tokens_per_day": 1000, "cost_micro_per_month": 5000, "requests_lifetime": 9}
    alone, mixed = limited(database, **limits), limited(database, **limits)

    def by_django(question: Told) -> Told:
        with database.rows():
            answer = APIClient().post(VERIFY, question, format="json", HTTP_X_API_KEY=validator)
        found: Told = answer.json()
        return found

    first = [hold(alone, **question) for question in SEQUENCE]
    second = [
        by_django({"key": mixed, **question}) if turn % 2 else hold(mixed, **question)
        for turn, question in enumerate(SEQUENCE)
    ]

    assert [plain(told) for told in first] == [plain(told) for told in second]
    assert used(database, alone) == used(database, mixed)
    assert [told["valid"] for told in first] == [True] * 3 + [False] + [True] * 4 + [False] * 2


def plain(told: Told) -> Told:
    """Without what names this key or this hold."""
    own = {"key_id", "owner", "tier", "hold"}
    held = {"is held": bool(told["hold"])} if "hold" in told else {}
    return {name: value for name, value in told.items() if name not in own} | held
