"""Django's door to the gate: the same checks, the same counters, through the ORM's connection."""

import functools
import time
from collections.abc import Callable, Generator
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from apikeys.digest import Peppers, read_peppers
from apikeys.gate import snapshot
from apikeys.gate.addresses import BLOCK, DECIDING_RULE_SQL, parse_address
from apikeys.gate.effects import (
    CountFailure,
    Damaged,
    DatabaseUnavailable,
    Effect,
    Enter,
    IsBlocked,
    Leave,
    LoadKey,
    MayLookUp,
    Proven,
    Recall,
    Secret,
    Take,
    Taken,
    TakeStored,
)
from apikeys.gate.inspection import Inspected, inspect
from apikeys.gate.judge import Policy, judge
from apikeys.gate.lockout import ANY_SECONDS, Slot, slot_of_format, slot_of_key
from apikeys.gate.question import Question
from apikeys.gate.request import METERED, GateRequest
from apikeys.gate.slow import PACED, REFUSAL_SECONDS, SLOW_REFUSAL_SECONDS
from apikeys.gate.snapshot import SNAPSHOT_SQL, KeySnapshot
from apikeys.gate.verdict import Charge, Verdict
from apikeys.ledger import sql, take
from apikeys.services.entrance import get_entrance
from apikeys.services.guard import get_guard
from apikeys.services.prover import get_prover

R = TypeVar("R")


Metered = Callable[[str], bool]


class Known:
    """What other apps tell this door at the start."""

    is_metered: Metered = staticmethod(lambda _: True)


def tell_metered(is_metered: Metered) -> None:
    """Which upstreams, by their slugs, tell what their calls use."""
    Known.is_metered = staticmethod(is_metered)


@functools.cache
def peppers() -> Peppers:
    return read_peppers()


def policy() -> Policy:
    return Policy(
        peppers=peppers(),
        admin_token=settings.ADMIN_TOKEN,
        zone=ZoneInfo(settings.QUOTA_TIMEZONE),
        hasher=settings.API_KEY_HASHER,
    )


def judge_request(request: GateRequest) -> Verdict:
    """The verdict on one request; ``database_unavailable`` when the database does not answer."""
    rules = policy()
    return run(judge(request, rules), rules)


def inspect_key(question: Question) -> Inspected:
    """Raises DatabaseUnavailable and Overloaded."""
    rules = policy()
    if question.upstream and question.hold is None and question.method == METERED:
        question = question._replace(is_metered=Known.is_metered(question.upstream))
    return run(inspect(question, rules), rules)


def run(judging: Generator[Effect, Any, R], rules: Policy) -> R:
    try:
        effect = next(judging)
        while True:
            try:
                reply = answer(effect, rules)
            except (OperationalError, InterfaceError):
                effect = judging.throw(DatabaseUnavailable())
            except Exception as error:  # noqa: BLE001  raised again there, once slots are left
                effect = judging.throw(error)
            else:
                effect = judging.send(reply)
    except StopIteration as stop:
        result: R = stop.value
        return result


def answer(effect: Effect, rules: Policy) -> Any:
    if isinstance(effect, IsBlocked):
        return is_blocked(effect.address)
    if isinstance(effect, (MayLookUp, CountFailure)):
        return ask_guard(effect, rules)
    if isinstance(effect, Enter):
        return get_entrance().enter(effect)
    if isinstance(effect, Leave):
        return get_entrance().leave(effect.entry, back=True)
    if isinstance(effect, (Secret, Damaged)):
        return get_prover().answer(effect, rules)
    if isinstance(effect, Recall):
        return None  # without a gateway nothing is remembered: each request reads
    if isinstance(effect, LoadKey):
        return load(effect)
    return take_units(effect, rules)


def ask_guard(effect: MayLookUp | CountFailure, rules: Policy) -> Any:
    guard = get_guard(rules.peppers)
    if isinstance(effect, CountFailure):
        return guard.count_failure(effect.address)
    if isinstance(effect, Proven):
        return guard.proven(effect.address, effect.secret, effect.key_id)
    return guard.may_look_up(effect.address, effect.secret, slot_of(effect))


def slot_of(effect: MayLookUp) -> Slot:
    """Nobody here knows which ids exist, so there is a bound for all of an address together."""
    if effect.key_id is not None:
        slot = slot_of_key(effect.key_id)
    else:
        slot = slot_of_format(effect.secret, get_prover().formats.read())
    return slot._replace(any_seconds=ANY_SECONDS)


def refusal_seconds(code: str) -> float:
    """How long after its request this refusal leaves at the earliest."""
    if code not in PACED:
        return 0.0
    return SLOW_REFUSAL_SECONDS if is_slow() else REFUSAL_SECONDS


def hold_back(found: Inspected, began: float) -> None:
    """That a secret opens nothing is told, where a proof may be slow, as a refusal of it is: who
    asks may pass on to its own client how long it took."""
    if found.verdict.code == "invalid_key" and is_slow():
        time.sleep(max(0.0, began + SLOW_REFUSAL_SECONDS - time.monotonic()))


def is_slow() -> bool:
    return get_prover().is_slow(settings.API_KEY_HASHER)


def is_blocked(text: str) -> bool:
    """By one query: without a gateway there is no process that could follow the rules."""
    address = parse_address(text)
    return address is not None and fetch(DECIDING_RULE_SQL, (str(address),)) == [(BLOCK,)]


def load(effect: LoadKey) -> KeySnapshot | None:
    values = snapshot.parameters(effect.key_id, with_metadata=effect.with_metadata)
    rows = fetch(SNAPSHOT_SQL, values)
    return snapshot.from_row(rows[0]) if rows else None


def take_units(effect: Take | TakeStored, rules: Policy) -> Taken:
    """Units that gateways hold on lease are called back, and waited for, before a refusal."""
    values = take.parameters(effect, rules.zone)
    end = time.monotonic() + take.RECALL_SECONDS
    pause = take.FIRST_PAUSE
    while True:
        rows = fetch(sql.TAKE, values)
        if take.is_recalled(rows) and time.monotonic() < end:
            time.sleep(pause)
            pause = min(pause * 2, take.LONGEST_PAUSE)
            continue
        taken = take.taken(effect, rows, rules.zone)
        if taken is not None:
            return taken
        with connection.cursor() as cursor:
            cursor.execute(sql.OPEN, values)


def settle(verdict: Verdict, *, free: bool) -> None:
    """At the end of a request. ``free``: it came to nothing, so all that it took goes back."""
    if verdict.entry is not None:
        get_entrance().leave(verdict.entry, back=free)
    if free:
        give_back(verdict.charges)


def give_back(charges: tuple[Charge, ...]) -> None:
    if charges:
        with connection.cursor() as cursor:
            cursor.execute(sql.GIVE_BACK, take.give_back_parameters(charges))


def fetch(statement: str, values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
