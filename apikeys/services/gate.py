"""Django's door to the gate: the same checks, the same counters, through the ORM's connection."""

import functools
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from apikeys.digest import Peppers, read_peppers
from apikeys.gate.effects import DatabaseUnavailable, Effect, LoadKey, Take, Taken
from apikeys.gate.judge import Policy, judge
from apikeys.gate.request import GateRequest
from apikeys.gate.snapshot import SNAPSHOT_SQL, KeySnapshot, from_row
from apikeys.gate.verdict import Charge, Verdict
from apikeys.ledger import sql, take


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
    judging = judge(request, rules)
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
        verdict: Verdict = stop.value
        return verdict


def answer(effect: Effect, rules: Policy) -> KeySnapshot | Taken | None:
    if isinstance(effect, LoadKey):
        rows = fetch(SNAPSHOT_SQL, (effect.key_id,))
        return from_row(rows[0]) if rows else None
    return take_units(effect, rules)


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
