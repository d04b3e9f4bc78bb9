"""Ledger and fence played at random: crashes, lost answers, recalls, clock steps, revoked keys."""

import asyncio
import os
import uuid
from collections.abc import Iterator

import psycopg
import pytest
from django.db import connection
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from pytest_django.plugin import DjangoDbBlocker

from apikeys.gate.effects import LoadKey
from apikeys.ledger import keeper, sql
from proxy.gateway import fence
from tests.apikeys.ledger_line import Watched
from tests.apikeys.ledger_machine import MOMENTS, LedgerAndFence
from tests.apikeys.ledger_stage import BootClock, Clock
from tests.gateway.conftest import Database

pytestmark = pytest.mark.django_db  # so that there is a database to copy
OPTIONS = "-c synchronous_commit=off -c plan_cache_mode=force_generic_plan"


@pytest.fixture(scope="module")
def database(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[psycopg.Connection]:
    """A copy of the tests' database, in which rows may stay."""
    made = Database(django_db_blocker, f"ledger_{os.getpid()}")
    server = Database(django_db_blocker, "postgres")
    with django_db_blocker.unblock():
        pattern = connection.settings_dict["NAME"]
        connection.close()
        connection.close_pool()
        server.execute(f'CREATE DATABASE "{made.name}" TEMPLATE "{pattern}"')
    try:
        secret = made.key_for("machine", "")
        LedgerAndFence.key = LoadKey(uuid.UUID(secret.split("_")[1]))
        with (
            Watched.connect(made.conninfo, autocommit=True, options=OPTIONS) as direct,
            psycopg.connect(made.conninfo, autocommit=True, options=OPTIONS) as second,
        ):
            direct.execute(f"LISTEN {sql.CHANNEL}")
            LedgerAndFence.database = direct
            LedgerAndFence.second = second
            yield direct
    finally:
        server.execute(f'DROP DATABASE "{made.name}" WITH (FORCE)')


@pytest.fixture
def play(database: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The keeper's clock is set by hand."""
    LedgerAndFence.clock, LedgerAndFence.boot_clock = Clock(), BootClock()
    monkeypatch.setattr(keeper, "monotonic", LedgerAndFence.clock)
    monkeypatch.setattr(fence, "clock", LedgerAndFence.boot_clock)
    monkeypatch.setattr(keeper, "RETRY_SECONDS", 0)
    with asyncio.Runner() as runner:
        LedgerAndFence.loop = runner.get_loop()
        yield


@pytest.fixture
def stage(play: None) -> Iterator[LedgerAndFence]:
    """For one known game; what must hold at its end is looked at."""
    made = LedgerAndFence()
    made.begin(limits=(30, 300), plays_fence=True)
    yield made
    made.teardown()


def profile(runs: int, steps: int) -> settings:
    return settings(
        max_examples=runs,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def test_ledger_and_fence_hold_at_random(play: None) -> None:
    run_state_machine_as_test(LedgerAndFence, settings=profile(120, 25))


@pytest.mark.parametrize("loses", ["before", "after"])
@pytest.mark.parametrize("turns", [1, 2])
@pytest.mark.parametrize("cost", [3, 9])
def test_what_is_given_back_while_answers_are_lost_comes_back_once(
    stage: LedgerAndFence, loses: str, turns: int, cost: int
) -> None:
    """Of 5 units; what it cost beyond is told at least once."""
    stage.take(who=0, which=2, units=5, patience=6)
    stage.time_passes(1.1)
    stage.turn(who=0, loses="")  # it holds nothing of them any more
    stage.settle(number=0, by=0, cost=cost)

    for _ in range(turns):
        stage.turn(who=0, loses=loses)
    stage.turn(who=0, loses="")

    stage.count()


def test_units_of_two_months_come_back_together(stage: LedgerAndFence) -> None:
    for moment in MOMENTS[:2]:
        stage.step_the_clock(moment=moment)
        stage.take(who=0, which=1, units=3, patience=6)
    stage.time_passes(seconds=1.1)
    stage.turn(who=0, loses="")

    for _ in range(2):
        stage.settle(number=0, by=0, cost=1)
    stage.turn(who=0, loses="")

    stage.count()


def test_units_that_came_back_into_an_empty_lease_can_be_called_back(stage: LedgerAndFence) -> None:
    stage.set_limits(limits=(300, 7))
    stage.take(who=1, which=1, units=5, patience=6)
    stage.a_refusal_is_right(who=1, which=1, units=5)  # the lease is asked anew, and is empty now
    stage.settle(number=0, by=0, cost=0)

    stage.a_refusal_is_right(who=2, which=1, units=5)


def test_an_answer_of_before_a_change_is_not_remembered_while_it_is_followed(
    stage: LedgerAndFence,
) -> None:
    stage.read_the_key_slowly(who=0)
    stage.revoke()
    stage.change_rules()
    for who in range(3):
        stage.renew(who=who, is_half=False)
    stage.is_answer_due()
    assert stage.is_answered

    stage.take(who=0, which=0, units=1, patience=6)  # it would say so


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_ledger_and_fence_hold_in_five_thousand_runs(play: None, part: int) -> None:
    """In parts, which workers share."""
    run_state_machine_as_test(LedgerAndFence, settings=profile(625, 20))
