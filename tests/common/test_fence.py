"""The fence in the database: what raises it, what it notes, and whom a change waits for."""

import threading
import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.db import connection, transaction

from apikeys.models import ApiKey, Grant, IpRule, LimitOverride, RetiredSecret, Tier
from momentry.common.fence import sql
from momentry.common.fence.wait import wait
from momentry.common.models import Fence, FenceChange, FenceProcess
from tests import make

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def generation() -> int:
    return Fence.objects.values_list("generation", flat=True).first() or 0


def noted(after: int) -> set[tuple[str, str]]:
    rows = FenceChange.objects.filter(generation__gt=after)
    return set(rows.values_list("kind", "subject"))


@pytest.fixture
def key() -> ApiKey:
    make.tier("fenced")
    return make.key(make.member("ann", tier="fenced")).key


def test_one_transaction_raises_it_once_and_notes_each_change(key):
    before = generation()

    with transaction.atomic():
        ApiKey.objects.filter(pk=key.pk).update(revoked_at=datetime.now(UTC))
        Grant.objects.create(member_id=key.owner_id, upstream="echo")
        assert generation() == before

    assert generation() == before + 1
    assert noted(before) == {("key", str(key.pk)), ("member", str(key.owner_id))}


def test_what_is_rolled_back_raises_nothing(key):
    before = generation()

    with transaction.atomic():
        ApiKey.objects.filter(pk=key.pk).update(disabled_at=datetime.now(UTC))
        transaction.set_rollback(True)

    assert (generation(), noted(before)) == (before, set())


def test_every_table_a_process_remembers_raises_it(key):
    owner = key.owner
    changes = {
        "digest": lambda: ApiKey.objects.filter(pk=key.pk).update(digest="x"),
        "end of grace": lambda: RetiredSecret.objects.create(
            key=key, digest="x", ends_at=datetime.now(UTC)
        ),
        "override": lambda: LimitOverride.objects.create(key=key, name="requests_per_day", value=1),
        "tier": lambda: Tier.objects.filter(slug="fenced").update(requests_per_day=3),
        "tier of": lambda: type(owner).objects.filter(pk=owner.pk).update(status="suspended"),
        "rule": lambda: IpRule.objects.create(network="192.0.2.0/24"),
        "grant": lambda: Grant.objects.create(key=key, upstream="echo"),
        "no grant": lambda: Grant.objects.filter(key=key).delete(),
        "upstream": lambda: make.upstream("echo", "http://127.0.0.1:9"),
        "deleted": lambda: ApiKey.objects.filter(pk=key.pk).delete(),
    }
    for name, change in changes.items():
        before = generation()
        change()
        assert generation() > before, name


def test_what_nobody_remembers_raises_nothing(key):
    before = generation()

    ApiKey.objects.filter(pk=key.pk).update(last_used_at=datetime.now(UTC), version=7, name="x")
    type(key.owner).objects.filter(pk=key.owner_id).update(email="ann@example.org")

    assert generation() == before


def test_a_thousand_changes_are_noted_as_all(key):
    before = generation()

    with transaction.atomic():
        Grant.objects.bulk_create(Grant(key=key, upstream=f"up-{n}") for n in range(1100))

    assert ("all", "") in noted(before)
    assert FenceChange.objects.filter(generation__gt=before).count() == 1001


def process(acked: int, seconds: float, name: str = "p") -> None:
    FenceProcess.objects.create(
        id=name, acked=acked, expires_at=datetime.now(UTC) + timedelta(seconds=seconds)
    )


def test_a_change_waits_for_a_live_process_and_no_longer_than_its_lease():
    process(acked=0, seconds=0.4)
    make.tier("fenced")
    began = time.monotonic()

    wait()

    assert time.monotonic() - began > 0.2


def test_nobody_waits_for_processes_that_followed_or_ended():
    make.tier("fenced")
    process(acked=generation(), seconds=60)
    process(acked=0, seconds=-1, name="dead")

    began = time.monotonic()
    for _ in range(20):
        wait()
    assert time.monotonic() - began < 20 * 0.2


def test_a_change_goes_on_as_soon_as_the_process_follows():
    make.tier("fenced")
    process(acked=0, seconds=60)
    done = threading.Event()

    def change() -> None:
        wait()
        connection.close()
        done.set()

    thread = threading.Thread(target=change)
    thread.start()
    assert not done.wait(0.1)
    FenceProcess.objects.update(acked=generation())

    assert done.wait(10)
    thread.join()


def test_a_renewal_that_races_a_change_sees_it_or_is_waited_for(key):
    """FOR SHARE: the renewal waits for the change's COMMIT and then knows of it."""
    settings = connection.get_connection_params()
    values = {name: settings[name] for name in ("dbname", "user", "password", "host", "port")
              if settings.get(name)}  # fmt: skip
    before = generation()
    renewed: list[int] = []
    with psycopg.connect(**values) as changing, psycopg.connect(**values, autocommit=True) as own:
        changing.execute("UPDATE common_fence SET generation = generation + 1")

        def renew() -> None:
            given = {"process": "racer", "applied": before, "lease": 1}
            row = own.execute(sql.RENEW, given).fetchone()
            renewed.append(row[0] if row else 0)

        thread = threading.Thread(target=renew)
        thread.start()
        time.sleep(0.2)
        assert renewed == []
        changing.commit()
        thread.join(10)

    assert renewed == [before + 1]
    assert FenceProcess.objects.get(pk="racer").acked == before
