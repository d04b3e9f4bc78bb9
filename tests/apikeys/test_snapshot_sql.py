"""The SQL that runs without models (snapshot, ledger, log) says what the models say."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection
from django.utils import timezone

from accounts.models import User
from apikeys.gate.checks import CHECKS
from apikeys.gate.effects import LoadKey
from apikeys.gate.request import GateRequest
from apikeys.gate.snapshot import NAMES, SNAPSHOT_SQL, Grant, Quota, from_row, parameters
from apikeys.models import Grant as GrantRow
from apikeys.models import LimitOverride, LogBatch, RequestLimit, RequestLog, RetiredSecret, Tier
from apikeys.requestlog import row
from apikeys.services import gate
from tests import make

pytestmark = pytest.mark.django_db


def snapshot_of(key):
    with connection.cursor() as cursor:
        cursor.execute(SNAPSHOT_SQL, parameters(key.pk))
        found = cursor.fetchone()
    return found and from_row(found)


def test_a_snapshot_says_what_the_rows_say():
    make.tier("both", requests_per_day=5, requests_per_month=50)
    alice = make.member(tier="both")
    key = make.key(alice).key

    found = snapshot_of(key)

    assert (found.key_id, found.key_type, found.member_id) == (key.pk, "user", alice.pk)
    assert found.scopes == frozenset(key.scopes)
    assert (found.member_status, found.tier) == ("active", "both")
    assert found.member_grants == (Grant("echo", (), ()),)
    assert set(found.quotas) == {
        Quota(f"member:{alice.pk.hex}", "requests", "day", 5),
        Quota(f"member:{alice.pk.hex}", "requests", "month", 50),
    }


LIMITS = {
    "requests_per_second": 1, "requests_per_minute": 2, "concurrent_requests": 3,
    "requests_per_day": 4, "requests_per_month": 5, "requests_lifetime": 6,
}  # fmt: skip
BUDGETS = {
    "tokens_per_day": 7, "tokens_per_month": 8, "tokens_lifetime": 9,
    "cost_micro_per_day": 10, "cost_micro_per_month": 11, "cost_micro_lifetime": 12,
}  # fmt: skip


def limits_of(found):
    windows = {(window.subject, window.name): window.limit for window in found.windows}
    return windows | {(quota.subject, quota.period): quota.limit for quota in found.quotas}


def test_every_limit_of_the_model_has_its_place():
    """A name that the snapshot did not know would be a limit that nobody holds to."""
    alice = make.member(tier=make.tier("all", **LIMITS, **BUDGETS).slug)
    key = make.key(alice).key
    assert {*LIMITS, *BUDGETS} == set(RequestLimit.values) == set(NAMES)

    found = limits_of(snapshot_of(key))

    names = ("second", "minute", "concurrent", "day", "month", "lifetime")
    assert found == {(f"member:{alice.pk.hex}", name): n for n, name in enumerate(names, 1)}


def test_budgets_are_apart_from_the_quotas_of_requests():
    alice = make.member(tier=make.tier("all", **LIMITS, **BUDGETS).slug)
    key = make.key(alice).key
    LimitOverride.objects.create(key=key, name="tokens_per_day", value=70)
    LimitOverride.objects.create(member=alice, name="cost_micro_lifetime", value=None)

    found = snapshot_of(key)

    member, own = f"member:{alice.pk.hex}", f"key:{key.pk.hex}"
    assert {quota.metric for quota in found.quotas} == {"requests"}
    assert {(*budget[:3], budget.limit) for budget in found.budgets} == {
        (member, "tokens", "day", 7), (member, "tokens", "month", 8),
        (member, "tokens", "lifetime", 9), (member, "cost_micro", "day", 10),
        (member, "cost_micro", "month", 11), (own, "tokens", "day", 70),
    }  # fmt: skip


def test_overrides_of_member_and_key_replace_the_limits_of_their_tiers():
    alice = make.member(tier=make.tier("all", **LIMITS).slug)
    key = make.key(alice).key
    key.tier = make.tier("own", requests_per_second=9, requests_per_day=9)
    key.save()
    given = {
        ("member", "requests_per_month"): 50, ("member", "requests_per_minute"): None,
        ("key", "requests_per_day"): None, ("key", "concurrent_requests"): 7,
    }  # fmt: skip
    for (subject, name), value in given.items():
        LimitOverride.objects.create(
            **{subject: alice if subject == "member" else key}, name=name, value=value
        )
    other = make.member("bob", tier="all")
    LimitOverride.objects.create(member=other, name="requests_per_month", value=1)

    found = limits_of(snapshot_of(key))

    member, own = f"member:{alice.pk.hex}", f"key:{key.pk.hex}"
    assert found == {
        (member, "second"): 1, (member, "concurrent"): 3, (member, "day"): 4, (member, "month"): 50,
        (member, "lifetime"): 6, (own, "second"): 9, (own, "concurrent"): 7,
    }  # fmt: skip


def test_an_override_gives_a_service_key_limits():
    key = make.service_key("validator").key
    LimitOverride.objects.create(key=key, name="requests_lifetime", value=3)

    assert limits_of(snapshot_of(key)) == {(f"key:{key.pk.hex}", "lifetime"): 3}


def test_a_key_has_counters_only_with_a_tier_of_its_own():
    own = make.tier("own", requests_per_month=7)
    key = make.key().key
    key.tier = own
    key.save()

    found = snapshot_of(key)

    assert Quota(f"key:{key.pk.hex}", "requests", "month", 7) in found.quotas
    assert len(found.quotas) == 2


def test_grants_of_tier_member_and_key_are_told_apart():
    alice = make.member()
    key = make.key(alice).key
    GrantRow.objects.create(member=alice, upstream="llm", methods=["POST"], paths=["/v1/"])
    GrantRow.objects.create(key=key, upstream="llm", models=["small"])

    found = snapshot_of(key)

    assert set(found.member_grants) == {
        Grant("echo", (), ()),
        Grant("llm", ("POST",), ("/v1/",)),
    }
    assert found.key_grants == (Grant("llm", (), (), ("small",)),)
    assert found.has_models
    assert not snapshot_of(make.key(make.member("bob")).key).has_models


def test_a_service_key_without_owner_has_a_snapshot():
    found = snapshot_of(make.service_key("validator").key)

    assert (found.member_id, found.role, found.quotas) == (None, "validator", ())


def test_an_unknown_key_has_none():
    assert snapshot_of(make.key().key.__class__()) is None


def test_the_log_row_the_model_and_the_table_have_the_same_columns():
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {row.TABLE} LIMIT 0")
        columns = {column.name for column in cursor.description}

    assert columns == set(row.COLUMNS)
    assert columns == {field.column for field in RequestLog._meta.fields}
    assert RequestLog._meta.db_table == row.TABLE


def test_lengths_of_the_log_are_those_of_the_model():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name, character_maximum_length FROM information_schema.columns "
            "WHERE table_name = %s AND character_maximum_length IS NOT NULL",
            [row.TABLE],
        )
        lengths = dict(cursor.fetchall())

    assert lengths == {
        field.column: field.max_length
        for field in RequestLog._meta.fields
        if field.get_internal_type() == "CharField"
    }


def test_a_batch_is_known_by_process_and_number():
    assert LogBatch._meta.constraints[0].fields == ("process", "seq")


def test_partitions_are_made_once_however_often_they_are_asked_for():
    with connection.cursor() as cursor:
        for _ in range(2):
            cursor.execute("SELECT momentry_request_log_partition('2031-05-06')")
        cursor.execute("SELECT to_regclass('apikeys_requestlog_20310506') IS NOT NULL")
        (exists,) = cursor.fetchone()

    assert exists


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_members_tier_cannot_go_or_be_misspelt():
    """Otherwise its members would have no limits at all."""
    alice = make.member(tier="trial")

    with pytest.raises(IntegrityError):
        Tier.objects.filter(slug="trial").delete()
    with pytest.raises(IntegrityError):
        User.objects.filter(pk=alice.pk).update(tier="trail")


def test_retired_secrets_count_until_their_own_end():
    key = make.key().key
    now = timezone.now()
    for name, end in (("ended", now), ("ends", now + timedelta(hours=1))):
        RetiredSecret.objects.create(key=key, digest=name, ends_at=end)
    key.refresh_from_db()

    assert snapshot_of(key).digests == (key.digest, "ends")


def test_one_statement_reads_all_that_the_checks_need(django_assert_num_queries):
    key = make.key(make.member(tier=make.tier("both", requests_per_month=50).slug)).key
    GrantRow.objects.create(key=key, upstream="echo")
    RetiredSecret.objects.create(key=key, digest="kept", ends_at=timezone.now() + timedelta(days=1))
    request = GateRequest(
        (), method="GET", path="/proxy/echo/x", client="192.0.2.1", upstream="echo", rest="/x"
    )

    with django_assert_num_queries(1):
        found = gate.answer(LoadKey(key.pk), gate.policy())
        refusals = [check(request, found) for check in CHECKS]

    assert set(refusals) == {None}
    assert (len(found.digests), found.tier, found.member_status) == (2, "both", "active")
    assert found.quotas
    assert found.member_grants
    assert found.key_grants
