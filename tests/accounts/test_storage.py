"""A member's bytes: exactly full is allowed, a byte more is not, and what goes comes back once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from accounts.models import Status, User
from accounts.services import storage
from momentry.common.errors import MomentryError
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def member():
    made = make.member()
    User.objects.filter(pk=made.pk).update(quota_size=100)
    return made


def figures(member):
    return storage.storage_of(member.pk)


def test_exactly_full_is_allowed_and_a_byte_more_is_not(member):
    storage.take(member.pk, 60)
    storage.reserve(member.pk, 40)

    for verb in (storage.take, storage.reserve):
        with pytest.raises(MomentryError) as refused:
            verb(member.pk, 1)
        assert refused.value.code.code == "storage_quota_exceeded"
        assert refused.value.extra == {"quota": 100, "used": 60, "reserved": 40, "requested": 1}
    assert figures(member) == (100, 60, 40)


def test_unlimited_is_unlimited(member):
    User.objects.filter(pk=member.pk).update(quota_size=None)

    storage.take(member.pk, 10**15)

    assert figures(member) == (None, 10**15, 0)
    assert storage.take_anyway(member.pk, 1)


def test_what_is_there_already_counts_also_where_it_does_not_fit(member):
    assert storage.take_anyway(member.pk, 100)
    assert not storage.take_anyway(member.pk, 1)

    assert figures(member) == (100, 101, 0)


def test_less_is_possible_where_too_much_is_used(member):
    storage.take_anyway(member.pk, 150)

    storage.take(member.pk, -10)
    storage.give_back(member.pk, 20)

    assert figures(member) == (100, 120, 0)


def test_what_comes_after_all_may_be_more_or_less_than_was_kept(member):
    storage.reserve(member.pk, 50)
    storage.commit(member.pk, 50, 30)
    assert figures(member) == (100, 30, 0)

    storage.reserve(member.pk, 50)
    with pytest.raises(MomentryError):
        storage.commit(member.pk, 50, 71)
    storage.commit(member.pk, 50, 70)

    assert figures(member) == (100, 100, 0)


def test_what_was_kept_and_never_came_is_free_again(member):
    storage.reserve(member.pk, 100)

    storage.release(member.pk, 100)

    storage.take(member.pk, 100)
    assert figures(member) == (100, 100, 0)


@pytest.mark.parametrize("given", [{"status": Status.SUSPENDED}, {"is_staff": True}])
def test_who_may_not_upload_gets_no_room(member, given):
    User.objects.filter(pk=member.pk).update(**given)

    for verb in (storage.take, storage.reserve):
        with pytest.raises(MomentryError) as refused:
            verb(member.pk, 1)
        assert refused.value.code.code == "member_suspended"
    assert figures(member) == (100, 0, 0)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_bytes_are_counted_in_a_transaction_only(member):
    with pytest.raises(RuntimeError):
        storage.take(member.pk, 1)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_many_at_once_never_get_over_it_and_waste_no_byte(member):
    begin = threading.Barrier(8)

    def take(size: int) -> int:
        begin.wait()
        taken = 0
        try:
            for _ in range(20):
                try:
                    with transaction.atomic():
                        storage.take(member.pk, size)
                except MomentryError:
                    continue
                taken += size
        finally:
            connection.close()
        return taken

    with ThreadPoolExecutor(8) as threads:
        taken = sum(threads.map(take, (1, 1, 2, 3, 5, 7, 11, 13)))

    assert figures(member) == (100, taken, 0)
    assert taken == 100
