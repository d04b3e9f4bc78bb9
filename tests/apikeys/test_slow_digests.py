"""AUTH-08 at Django's door where proofs may be slow, and how it is known that they may."""

import time
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apikeys import keyformat
from apikeys.gate.imported import HAS_SLOW_SQL
from apikeys.gate.slow import REFUSAL_SECONDS, SLOW_REFUSAL_SECONDS
from apikeys.models import ApiKey, ForeignSecret, RetiredSecret
from apikeys.services.prover import get_prover
from tests import make
from tests.apikeys.calls import client, code
from tests.apikeys.stored import argon2id, imported

pytestmark = pytest.mark.django_db


def seconds(secret: str) -> float:
    began = time.monotonic()
    assert code(secret) == "invalid_key"
    return time.monotonic() - began


def wrong(secret: str) -> str:
    parsed = keyformat.parse(secret)
    assert parsed is not None
    return keyformat.mint(parsed.prefix, parsed.key_id, owner="x", pepper=bytes(32), at=1)


def has_slow() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(HAS_SLOW_SQL)
        return bool(cursor.fetchone()[0])


def store_slowly(where: str) -> None:
    issued = make.key()
    slow, now = argon2id("any"), timezone.now()
    if where == "a key's own":
        ApiKey.objects.filter(pk=issued.key.pk).update(digest=slow)
    elif where == "imported":
        imported(digest=slow, owner="bob")
    else:
        ends_at = now + timedelta(hours=1 if where == "retired" else -1)
        RetiredSecret.objects.create(key=issued.key, digest=slow, ends_at=ends_at)


@pytest.mark.parametrize("where", ["a key's own", "imported", "retired"])
def test_one_slow_digest_makes_every_refusal_leave_later(where):
    issued = make.key(make.member("carol"))
    store_slowly(where)

    assert has_slow()
    for secret in (wrong(issued.secret), issued.secret[:-1] + "!", "x", "no-such-" + "a" * 20):
        assert seconds(secret) >= SLOW_REFUSAL_SECONDS


@pytest.mark.parametrize("where", ["none", "ended"])
def test_without_one_refusals_leave_as_ever(where):
    issued = make.key(make.member("carol"))
    if where == "ended":
        store_slowly(where)

    assert not has_slow()
    for secret in (wrong(issued.secret), "x"):
        quickest = min(seconds(secret) for _ in range(3))
        assert REFUSAL_SECONDS <= quickest < SLOW_REFUSAL_SECONDS


def test_with_slow_proofs_chosen_they_leave_later(settings):
    settings.API_KEY_HASHER = "argon2id"

    assert seconds("x") >= SLOW_REFUSAL_SECONDS


@pytest.mark.parametrize("slow", [True, False])
def test_who_asks_about_a_key_waits_as_long(slow):
    caller = client(make.service_key("validator").secret)
    if slow:
        store_slowly("a key's own")

    def asked() -> float:
        began = time.monotonic()
        assert caller.post("/api/v1/keys/verify", {"key": "x"}).json()["code"] == "invalid_key"
        return time.monotonic() - began

    assert (min(asked() for _ in range(3)) >= SLOW_REFUSAL_SECONDS) is slow


def test_it_is_asked_once_a_second():
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            code("x")
        return sum(query["sql"] == HAS_SLOW_SQL for query in queries)

    get_prover().has_slow.forget()
    assert [asked() for _ in range(3)] == [1, 0, 0]


def test_indexes_of_slow_digests_alone_are_read():
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {HAS_SLOW_SQL}")
        plan = "\n".join(row[0] for row in cursor.fetchall())

    for name, model in (
        ("apikey_slow", ApiKey), ("retired_slow", RetiredSecret), ("foreign_slow", ForeignSecret),
    ):  # fmt: skip
        assert name in plan, model
    assert "Seq Scan" not in plan
