"""Django's door to the gate: the same checks, the same counters, through the ORM's connection."""

import functools
from collections.abc import Generator
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from apikeys.digest import Peppers, read_peppers
from apikeys.gate import snapshot
from apikeys.gate.addresses import BLOCK, DECIDING_RULE_SQL, parse_address
from apikeys.gate.effects import (
    CountFailure,
    DatabaseUnavailable,
    Effect,
    IsBlocked,
    LoadKey,
    MayLookUp,
    Proven,
    Take,
    Taken,
)
from apikeys.gate.inspection import Inspected, inspect
from apikeys.gate.judge import Policy, judge
from apikeys.gate.question import Question
from apikeys.gate.request import GateRequest
from apikeys.gate.snapshot import SNAPSHOT_SQL, KeySnapshot
from apikeys.gate.verdict import Charge, Verdict
from apikeys.ledger import sql, take
from apikeys.services.guard import get_guard

R = TypeVar("R")


@functools.cache
def peppers() -> Peppers:
    return read_peppers()


def policy() -> Policy:
    return Policy(
        peppers=peppers(),
        admin_token=settings.ADMIN_TOKEN,
        zone=ZoneInfo(settings.QUOTA_TIMEZONE),
    )


def judge_request(request: GateRequest) -> Verdict:
    """The verdict on one request; ``database_unavailable`` when the database does not answer."""
    rules = policy()
    return run(judge(request, rules), rules)


def inspect_key(question: Question) -> Inspected:
    """Raises DatabaseUnavailable."""
    rules = policy()
    return run(inspect(question, rules), rules)


def run(judging: Generator[Effect, Any, R], rules: Policy) -> R:
    try:
        effect = next(judging)
        while True:
            try:
                reply = answer(effect, rules)
            except (OperationalError, InterfaceError):
                effect = judging.throw(DatabaseUnavailable())
            else:
                effect = judging.send(reply)
    except StopIteration as stop:
        result: R = stop.value
        return result


def answer(effect: Effect, rules: Policy) -> Any:
    if isinstance(effect, IsBlocked):
        return is_blocked(effect.address)
    if isinstance(effect, Proven):
        return get_guard(rules.peppers).proven(effect.address, effect.secret)
    if isinstance(effect, MayLookUp):
        return get_guard(rules.peppers).may_look_up(effect.address, effect.secret)
    if isinstance(effect, CountFailure):
        return get_guard(rules.peppers).count_failure(effect.address)
    if isinstance(effect, LoadKey):
        return load(effect)
    return take_units(effect, rules)


def is_blocked(text: str) -> bool:
    """By one query: without a gateway there is no process that could follow the rules."""
    address = parse_address(text)
    return address is not None and fetch(DECIDING_RULE_SQL, (str(address),)) == [(BLOCK,)]


def load(effect: LoadKey) -> KeySnapshot | None:
    values = snapshot.parameters(effect.key_id, with_metadata=effect.with_metadata)
    rows = fetch(SNAPSHOT_SQL, values)
    return snapshot.from_row(rows[0]) if rows else None


def take_units(effect: Take, rules: Policy) -> Taken:
    values = take.parameters(effect, rules.zone)
    while True:
        taken = take.taken(effect, fetch(sql.TAKE, values), rules.zone)
        if taken is not None:
            return taken
        with connection.cursor() as cursor:
            cursor.execute(sql.OPEN, values)


def give_back(charges: tuple[Charge, ...]) -> None:
    if charges:
        with connection.cursor() as cursor:
            cursor.execute(sql.GIVE_BACK, take.give_back_parameters(charges))


def fetch(statement: str, values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
