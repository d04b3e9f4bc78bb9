"""A used-up budget refuses at each door what the gate refuses: the gateway's own, fronts that
ask (/auth/verify), and keys/verify, by the gateway and by Django."""

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import pytest
from rest_framework.test import APIClient

from apikeys.models import ApiKey, Grant, LimitOverride
from tests import make
from tests.gateway import metered
from tests.gateway.books import books
from tests.gateway.conftest import Database, Start
from tests.gateway.fronted import ask as ask_front
from tests.gateway.limited import subject_of
from tests.gateway.metered import assert_used, path_of, sized
from tests.gateway.processes import Gateway, request
from tests.gateway.unit.usage.recorded import CHAT, JSON, compact
from tests.gateway.wire import Server, within

VERIFY: Final = "/api/v1/keys/verify"
USED: Final = {"prompt_tokens": 900, "completion_tokens": 100}
BODY: Final = json.dumps({"model": "gpt-x", "messages": [], "max_tokens": 5}).encode()
OF_JSON: Final = "Content-Type: application/json"


class Told(NamedTuple):
    """What a door says of one call: its code, "" for yes, and which limit refuses."""

    code: str
    limits: tuple[str, ...] = ()


YES: Final = Told("")


@pytest.fixture(scope="module", autouse=True)
def _upstreams(database: Database, upstream: Server) -> Iterator[None]:
    with metered.metered_upstreams(database, upstream):
        yield


@pytest.fixture(scope="module")
def front(start_once: Start) -> Gateway:
    return start_once(2, TRUSTED_PROXIES="127.0.0.1").wait_until_ready()


@pytest.fixture(scope="module")
def validator(database: Database, seeded: str) -> str:
    with database.rows():
        return make.service_key("validator").secret


class Doors:
    """All four, asked about the same call."""

    def __init__(self, front: Gateway, database: Database, upstream: Server, caller: str) -> None:
        self.front = front
        self.database = database
        self.caller = caller
        self.model: str | None = None
        answer = compact(CHAT | {"usage": USED}).encode()
        self.path = path_of(upstream, sized(JSON, answer))

    def gate(self, key: str, slug: str, method: str) -> Told:
        fields, body = ((OF_JSON,), BODY) if method == "POST" else ((), b"")
        path = f"/proxy/{slug}{self.path}"
        return of(self.front.ask(request(method, path, key, *fields, body=body)))

    def auth(self, key: str, slug: str, method: str) -> Told:
        return of(ask_front(self.front, key, upstream=slug, method=method, uri=self.path))

    def gateways(self, key: str, slug: str, method: str) -> Told:
        question = json.dumps(self.question(key, slug, method)).encode()
        answer = self.front.ask(request("POST", VERIFY, self.caller, OF_JSON, body=question))
        return verified(json.loads(answer.body))

    def djangos(self, key: str, slug: str, method: str) -> Told:
        question = self.question(key, slug, method)
        with self.database.rows():
            answer = APIClient().post(VERIFY, question, format="json", HTTP_X_API_KEY=self.caller)
        return verified(answer.json())

    def question(self, key: str, slug: str, method: str) -> dict[str, Any]:
        named = {"upstream": slug, "method": method, "path": self.path} if slug else {}
        return {"key": key} | named | ({"model": self.model} if self.model else {})

    def all(self, key: str, slug: str, method: str = "POST") -> list[Told]:
        doors = (self.gate, self.auth, self.gateways, self.djangos)
        return [door(key, slug, method) for door in doors]


def of(answer: Any) -> Told:
    if answer.status < 400:
        return YES
    body = json.loads(answer.body)
    return Told(body["code"], tuple(body.get("violated-policies", ())))


def verified(found: dict[str, Any]) -> Told:
    named = re.findall(r"^The (\S+) quota ", found["detail"] or "")
    return YES if found["valid"] else Told(found["code"], tuple(named))


@pytest.fixture
def doors(front: Gateway, database: Database, upstream: Server, validator: str) -> Doors:
    return Doors(front, database, upstream, validator)


def used_up(doors: Doors, **limits: int) -> str:
    """A key with nothing left of these budgets. What one process has spent others learn within a
    second."""
    key = metered.limited(doors.database, **limits)
    assert doors.gate(key, "m-openai", "POST") == YES
    assert within(5, lambda: YES not in doors.all(key, "m-openai"), pause=0.1)
    return key


LIMITS: Final[list[tuple[str, dict[str, int]]]] = [  # with the one that resets last
    ("tokens-daily", {"tokens_per_day": 500}),
    ("tokens-monthly", {"tokens_per_month": 500, "requests_per_day": 90, "tokens_lifetime": 2000}),
    ("tokens-lifetime", {"tokens_lifetime": 500, "tokens_per_day": 500, "requests_per_minute": 90}),
    ("cost-lifetime", {"cost_micro_lifetime": 1}),
]


@pytest.mark.parametrize(("name", "limits"), LIMITS)
def test_all_doors_refuse_what_the_gate_refuses_and_take_nothing(
    doors: Doors, name: str, limits: dict[str, int]
) -> None:
    key = used_up(doors, **limits)
    before = books(doors.database, subject_of(doors.database, key))

    refused = doors.all(key, "m-openai")
    assert refused == [Told("quota_exceeded", (name,))] * 4

    assert doors.all(key, "m-openai", "GET") == doors.all(key, "echo") == [YES] * 4
    unnamed = [doors.gateways(key, "", ""), doors.djangos(key, "", "")]
    assert unnamed == refused[2:]
    after = books(doors.database, subject_of(doors.database, key))
    counted = {place: units - before.get(place, 0) for place, units in after.items()}
    assert {units for place, units in counted.items() if "requests" not in place} == {0}
    assert {units for place, units in counted.items() if "requests" in place} <= {8}


def test_a_keys_own_budget_counts_beside_its_members(doors: Doors) -> None:
    key = metered.limited(doors.database, tokens_per_day=9000)
    with doors.database.rows():
        own = ApiKey.objects.get(pk=uuid.UUID(key.split("_")[1]))
        LimitOverride.objects.create(key=own, name="tokens_per_day", value=500)
    assert doors.gate(key, "m-openai", "POST") == YES

    short = [Told("quota_exceeded", ("key-tokens-daily",))] * 4
    assert within(5, lambda: doors.all(key, "m-openai") == short, pause=0.1)


def test_asking_takes_nothing_of_a_budget_and_a_raised_one_opens_all_doors(doors: Doors) -> None:
    key = metered.limited(doors.database, tokens_lifetime=1)
    asks = (doors.auth, doors.gateways, doors.djangos)
    assert [ask(key, "m-openai", "POST") for ask in asks * 3] == [YES] * 9
    assert_used(doors.database, key, {"tokens": 0})

    spent = used_up(doors, tokens_lifetime=500)
    owner = subject_of(doors.database, spent).partition(":")[2]
    change = (
        "UPDATE apikeys_tier SET tokens_lifetime = 5000 WHERE slug ="
        " (SELECT 'tier-' || username FROM accounts_user WHERE id = %s)"
    )
    doors.database.change(change, uuid.UUID(owner))
    assert doors.all(spent, "m-openai") == [YES] * 4


def test_nginx_is_told_in_the_form_that_it_can_read(doors: Doors) -> None:
    key = used_up(doors, tokens_per_day=500)

    fields = {"dialect": "nginx", "upstream": "m-openai", "method": "POST", "uri": doors.path}
    answer = ask_front(doors.front, key, **fields)

    assert answer.status == 403
    told = answer.field("x-momentry-reason"), answer.field("x-momentry-status")
    assert told == ("quota_exceeded", "429")
    assert int(answer.field("retry-after")) > 0


@pytest.mark.parametrize(
    ("models", "model", "code"),
    [
        (["gpt-4o"], "gpt-4o", ""),
        (["gpt-4o"], "gpt-5", "model_forbidden"),
        (["gpt-4o"], "GPT-4o", "model_forbidden"),
        (["gpt-4o"], None, ""),
        ([], "gpt-5", ""),
    ],
)
def test_a_model_that_is_named_is_judged_by_both(
    doors: Doors, database: Database, models: list[str], model: str | None, code: str
) -> None:
    with database.rows():
        made = make.key(make.member(f"u{uuid.uuid4().hex[:8]}"))
        owner = made.key.owner
        assert owner is not None
        Grant.objects.create(member=owner, upstream="m-openai", models=models)
    doors.model = model

    found = [door(made.secret, "m-openai", "POST") for door in (doors.gateways, doors.djangos)]

    assert found == [Told(code)] * 2


def test_what_refuses_a_model_is_explained(doors: Doors, database: Database) -> None:
    with database.rows():
        member = make.member(f"u{uuid.uuid4().hex[:8]}")
        Grant.objects.create(member=member, upstream="m-openai", models=["gpt-4o"])
        key = make.key(member).secret
    question = doors.question(key, "m-openai", "POST") | {"model": "x", "explain": True}

    answer = doors.front.ask(
        request("POST", VERIFY, doors.caller, OF_JSON, body=json.dumps(question).encode())
    )

    checks = {check["check"]: check for check in json.loads(answer.body)["checks"]}
    assert (checks["resource"]["outcome"], checks["resource"]["code"]) == (
        "failed",
        "model_forbidden",
    )
    assert "model" in checks["resource"]["remedy"]
    assert checks["quota"]["outcome"] == "not_reached"
