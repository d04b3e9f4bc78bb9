"""A refusal in the request log, whoever writes it, waits for its event in the same transaction."""

import importlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from apikeys.requestlog import packed, row
from events.models import Refusal
from momentry.common.errors import AUTH, CODES, PERMISSION
from proxy.gateway.sampling import told
from tests import make
from tests.apikeys import logs

pytestmark = pytest.mark.django_db
NOTED = set(importlib.import_module("apikeys.migrations.0015_refusals").CODES)
# Of these kinds, but about room or about time, not about who may.
OTHERS = {"storage_quota_exceeded"}


def waiting() -> list[dict[str, Any]]:
    names = ("at", "code", "request_id", "client_address", "key_id", "member_id", "count")
    return list(Refusal.objects.order_by("id").values(*names))


def test_every_code_that_says_who_may_not_is_noted():
    said = {code for code, each in CODES.items() if each.kind in {AUTH, PERMISSION}}

    assert said - OTHERS == NOTED & said
    assert NOTED - said == {"decision_invalid"}  # a forged one


@pytest.mark.parametrize("code", sorted(NOTED))
def test_a_refusal_is_noted_as_it_was_logged(code):
    at = timezone.now()
    entry = logs.call(
        at, code=code, status=401, client_address="2001:db8::7", key_id=logs.ALICE,
        member_id=logs.BOB,
    )  # fmt: skip

    logs.log(entry)

    assert waiting() == [
        {
            "at": at, "code": code, "request_id": entry.id, "client_address": "2001:db8::7",
            "key_id": logs.ALICE, "member_id": logs.BOB, "count": 1,
        }
    ]  # fmt: skip


@pytest.mark.parametrize("code", ["", *sorted(set(CODES) - NOTED)])
def test_nothing_else_is(code):
    logs.log(logs.call(timezone.now(), code=code, status=429))

    assert waiting() == []


@pytest.mark.parametrize("more", [0, 1, 41])
@pytest.mark.parametrize("address", ["192.0.2.7", ""])
def test_a_row_that_stands_for_more_counts_for_all_of_them(more, address):
    entry = logs.call(
        timezone.now(), code="invalid_key", status=401, client_address="192.0.2.7",
        error_detail="The API key is not valid.",
    )  # fmt: skip
    shared = told(entry, (address, 401, "invalid_key"), more)

    logs.log(shared)

    (found,) = waiting()
    assert found["count"] == more + 1
    assert found["client_address"] == ("192.0.2.7" if address or not more else None)


def test_the_longest_detail_still_says_how_many_more_there_were():
    entry = logs.call(timezone.now(), code="invalid_key", status=401, error_detail="x" * 200)

    logs.log(told(entry, ("192.0.2.7", 401, "invalid_key"), 999_999))

    assert [each["count"] for each in waiting()] == [1_000_000]


def test_a_row_that_is_rolled_back_was_no_refusal():
    with transaction.atomic():
        logs.log(logs.call(timezone.now(), code="invalid_key", status=401))
        transaction.set_rollback(True)

    assert waiting() == []


def test_days_that_get_their_table_later_are_noted_too():
    later = datetime.now(UTC) + timedelta(days=40)

    logs.log(logs.call(later, code="ip_blocked", status=403))

    assert [each["code"] for each in waiting()] == ["ip_blocked"]


def test_rows_by_copy_are_noted_too():
    entries = [logs.call(timezone.now(), code="key_expired", status=401) for _ in range(3)]
    columns = ", ".join(row.COLUMNS)
    statement = f"COPY {row.TABLE} ({columns}) FROM STDIN (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(packed.BEGIN + packed.packed(entries) + packed.END)

    assert [each["request_id"] for each in waiting()] == [entry.id for entry in entries]


def test_django_s_own_rows_are_noted_too(api):
    key = make.key().key
    api.get("/api/v1/me", headers={"X-API-Key": "muser_nonsense"}, REMOTE_ADDR="192.0.2.9")
    api.get("/api/v1/me")

    found = [(each["code"], each["client_address"]) for each in waiting()]
    assert found == [("invalid_key", "192.0.2.9"), ("missing_key", "127.0.0.1")]
    assert key.pk not in {each["key_id"] for each in waiting()}
