"""The question of keys/verify is read strictly; a path is judged only when it is unambiguous."""

import json
import uuid
from zoneinfo import ZoneInfo

import pytest

from apikeys import keyformat
from apikeys.digest import read_peppers
from apikeys.gate.effects import CountFailure, IsBlocked, LoadKey, MayLookUp, Proven, Recall
from apikeys.gate.inspection import inspect
from apikeys.gate.judge import Policy
from apikeys.gate.question import BadQuestion, Question, read
from apikeys.gate.report import REMEDIES, STEPS
from momentry.common.errors import CODES

JSON = "application/json; charset=utf-8"


def pointers(**given):
    with pytest.raises(BadQuestion) as refused:
        read(JSON, json.dumps(given).encode())
    assert refused.value.code == "invalid_input"
    return [error["pointer"] for error in refused.value.errors]


def test_a_full_question_is_read():
    given = {
        "key": "k", "upstream": "llm", "method": "POST", "path": "/v1/a%20b", "cost": 1000,
        "ip": "::ffff:192.0.2.1", "dry_run": True, "explain": True,
    }  # fmt: skip

    assert read(JSON, json.dumps(given).encode()) == Question(
        "k", "llm", "POST", "/v1/a%20b", "192.0.2.1", 1000, True, True
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("key", ""), ("key", None), ("key", "x" * 1025), ("key", ["k"]),
        ("upstream", "UP"), ("upstream", "a/b"), ("upstream", ""), ("upstream", 1),
        ("method", "get"), ("method", "GET "), ("method", ""), ("method", None),
        ("ip", "here"), ("ip", "192.0.2.0/24"), ("ip", ""), ("ip", 1),
        ("cost", -1), ("cost", 1001), ("cost", 1.0), ("cost", "1"), ("cost", True),
        ("dry_run", 1), ("explain", "true"), ("explain", None), ("Key", "k"), ("a/b~c", 1),
    ],
)  # fmt: skip
def test_each_fault_is_named(name, value):
    expected = f"#/{name.replace('~', '~0').replace('/', '~1')}"

    assert pointers(**{"key": "k", name: value}) == [expected]


@pytest.mark.parametrize(
    "path",
    [
        "", "x", "/a/../b", "/a/./b", "/a/..", "//a", "/a//b", "/a\\b", "/a?b", "/a#b", "/a b",
        "/a%2e%2e/b/../c", "/%2e%2e/a", "/a%2f..%2fb", "/%252e%252e/a", "/a%5cb", "/a%00b",
        "/..;x/a", "/é", "/\x00", "/%" + "25" * 20 + "2e", "/%zz", "/" + "a" * 8192,
    ],
)  # fmt: skip
def test_a_path_that_can_be_read_in_two_ways_is_not_judged(path):
    assert pointers(key="k", path=path) == ["#/path"]


@pytest.mark.parametrize("path", ["/", "/a", "/a/b%20c", "/a%2Fb", "/a;v=1", "/..a", "/%C3%A9"])
def test_plain_paths_pass(path):
    assert read(JSON, json.dumps({"key": "k", "path": path}).encode()).path == path


def test_the_key_is_not_in_the_questions_repr():
    assert "very-secret" not in repr(Question("very-secret"))


def test_every_refusal_of_a_check_has_a_code_and_a_remedy():
    codes = [code for step in STEPS for code in step.codes]

    assert set(codes) == set(REMEDIES)
    assert set(codes) <= set(CODES)
    assert len(codes) == len(set(codes))


def drive(work, asked):
    """Until it stops; nothing is known of anything."""
    effect = next(work)
    while True:
        asked.append(type(effect))
        effect = work.send(None)


def test_a_wrong_key_asked_about_counts_against_nobody(policy, secret):
    asked = []
    work = inspect(Question(secret, ip="192.0.2.1"), policy)
    with pytest.raises(StopIteration) as stop:
        drive(work, asked)

    assert stop.value.value.document["code"] == "invalid_key"
    assert asked == [IsBlocked, Recall, LoadKey]
    assert not {MayLookUp, CountFailure, Proven} & set(asked)


def test_an_address_that_is_blocked_is_said_before_the_key_is_looked_at(policy, secret):
    work = inspect(Question(secret, ip="192.0.2.1", explain=True), policy)
    next(work)

    with pytest.raises(StopIteration) as stop:
        work.send(True)

    document = stop.value.value.document
    assert (document["code"], document["key_id"]) == ("ip_blocked", None)
    outcomes = [check["outcome"] for check in document["checks"]]
    assert outcomes == ["failed"] + ["not_reached"] * (len(outcomes) - 1)


@pytest.fixture
def policy():
    return Policy(read_peppers(), "", ZoneInfo("UTC"))


@pytest.fixture
def secret(policy):
    pepper = policy.peppers.signing
    return keyformat.mint("muser", uuid.uuid4(), owner="a", pepper=pepper, at=1)
