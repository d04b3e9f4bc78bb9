"""What the door says at once is what the judge says, who asks for everything by effects."""

import uuid
from datetime import timedelta
from itertools import product
from typing import Any, cast

import pytest

from apikeys.gate.addresses import NetworkTable
from apikeys.gate.door import AsyncDoor, Paused
from apikeys.gate.inspection import Inspected, inspect
from apikeys.gate.judge import judge
from apikeys.gate.memory import KeyMemory
from apikeys.gate.question import Question
from apikeys.gate.request import GateRequest
from apikeys.gate.snapshot import Grant
from apikeys.ledger.keeper import Keeper
from apikeys.ledger.purses import Purses
from tests.apikeys.judged import NOW, QUOTA, TOKEN

READ, GONE, SOON = (NOW + timedelta(seconds=seconds) for seconds in (-9, -1, 1))
KEYS: tuple[dict[str, Any], ...] = (
    {},
    {"revoked_at": GONE},
    {"quarantined_at": GONE},
    {"disabled_at": GONE},
    {"expires_at": GONE},
    {"expires_at": SOON},
    {"grace_ends_at": SOON},
    {"grace_ends_at": GONE},
    {"member_status": "suspended"},
    {"member_id": None, "key_type": "service", "role": "validator", "scopes": frozenset()},
    {"scopes": frozenset({"keys:verify"})},
    {"allowed": NetworkTable([("192.0.2.0/24", True)])},
    {"allowed": NetworkTable([("198.51.100.0/24", True)])},
    {"member_grants": ()},
    {"member_grants": (Grant("echo", ("POST",), ("/x",)),)},
    {"quotas": (QUOTA,)},
    {"budgets": (QUOTA._replace(metric="tokens"),)},
    {"digests": ()},
)
REQUESTS: tuple[dict[str, Any], ...] = (
    {"method": "GET", "path": "/proxy/echo/x", "upstream": "echo", "rest": "/x"},
    {"method": "POST", "path": "/proxy/echo/x", "upstream": "echo", "rest": "/x"},
    {"method": "GET", "path": "/proxy/other/x", "upstream": "other", "rest": "/x"},
    {"method": "POST", "path": "/api/v1/keys/verify", "scope": "keys:verify", "weight": 0},
    {"method": "GET", "path": "/api/v1/admin/keys"},
)
QUESTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"upstream": "echo", "method": "POST", "path": "/x"},
    {"ip": "192.0.2.1"},
    {"ip": "203.0.113.9"},
    {"dry_run": True, "cost": 3},
    {"explain": True},
    {"tokens": 5},
)


class Today:
    """A fence that holds, at one moment."""

    applied = 1

    def is_fresh(self):
        return True

    def now(self):
        return NOW

    def clock(self):
        return 0.0


@pytest.fixture
def door(policy):
    given: Any = None  # what no judgement from memory asks
    keeper = Keeper("", Purses("here", policy.zone))
    made = AsyncDoor(given, policy, given, given, cast("Any", Today()), KeyMemory(9, 300.0), keeper)
    made.rules.replace([("203.0.113.0/24", "block")], "1")
    made.prover.formats = ("acme_",)
    return made


@pytest.fixture
def headers(secret):
    wrong = secret[:-1] + ("a" if secret[-1] != "a" else "b")
    texts = (secret, wrong, "nonsense", "acme_0123456789abcdef", TOKEN, "a, b", "", "\xff" * 3)
    names = ((b"x-api-key", b""), (b"authorization", b"Bearer "), (b"authorization", b"Basic "))
    shown = [
        [(name, scheme + text.encode("latin-1"))] for (name, scheme), text in product(names, texts)
    ]
    return [*shown, [], shown[0] + shown[8], [(b"x_api_key", secret.encode())]]


def told(outcome):
    """Of one that must wait: for what."""
    if not isinstance(outcome, Paused):
        return outcome
    effect = outcome.effect
    return type(effect), effect if isinstance(effect, tuple) else vars_of(effect), outcome.seen


def vars_of(effect):
    return [getattr(effect, name) for kind in type(effect).mro() for name in slots_of(kind)]


def slots_of(kind):
    return getattr(kind, "__slots__", ())


@pytest.mark.parametrize("change", KEYS, ids=[",".join(map(str, key)) for key in KEYS])
@pytest.mark.parametrize("is_known", [True, False])
def test_the_verdict_is_the_judges(door, policy, snapshot, secret, headers, change, is_known):
    if is_known:
        policy.proofs.add(secret, snapshot.key_id, policy.peppers.digest(secret))
    door.memory.put(snapshot._replace(now=READ, **change), 0.0)

    for fields, asked, client in product(headers, REQUESTS, ("192.0.2.1", "203.0.113.9")):
        request = GateRequest(fields, client=client, **asked)

        quick, plain = door.judge_now(request), door.begin(judge(request, policy))

        assert told(quick) == told(plain), (fields, asked, client)


@pytest.mark.parametrize("change", [*KEYS, {"metadata": {"a": 1}}, {"metadata_bytes": 5000}])
@pytest.mark.parametrize("is_known", [True, False])
def test_the_answer_is_the_inspections(door, policy, snapshot, secret, change, is_known):
    if is_known:
        policy.proofs.add(secret, snapshot.key_id, policy.peppers.digest(secret))
    door.memory.put(snapshot._replace(**{"now": READ, "metadata": {}, **change}), 0.0)

    for shown, asked in product((secret, secret[:-1], "acme_0123456789abcdef"), QUESTIONS):
        question = Question(shown, **asked)

        quick, plain = door.inspect_now(question), door.begin(inspect(question, policy))

        assert told(quick) == told(plain) or same_answer(quick, plain), (shown, asked)


def same_answer(quick, plain):
    """Of a key whose verdict needs no time none is kept."""
    assert isinstance(quick, Inspected)
    assert isinstance(plain, Inspected)
    return quick.verdict == plain.verdict and quick.body == plain.body


def test_without_rules_nothing_is_said_at_once(door, policy, snapshot, secret, headers):
    door.rules.version = ""
    policy.proofs.add(secret, snapshot.key_id, policy.peppers.digest(secret))
    door.memory.put(snapshot, 0.0)

    codes = {
        door.judge_now(
            GateRequest(fields, method="GET", path="/", client="192.0.2.1", upstream="echo")
        ).code
        for fields in headers
    }

    assert codes == {"database_unavailable"}


def test_another_key_is_not_opened_by_a_proof(door, policy, snapshot, secret):
    policy.proofs.add(secret, uuid.UUID(int=9), policy.peppers.digest(secret))
    door.memory.put(snapshot, 0.0)

    assert door.opened(secret) is None
