"""The filter of key ids: none is missed, few are taken for known, and when it is read."""

import random
import sys
import uuid

import pytest
from django.db import transaction

from apikeys.gate.ids import LEAST_BYTES, Filter, KeyIds
from apikeys.gate.lockout import ADDRESS, NOTHING, slot_of_key
from apikeys.services.bulk.batches import Names
from apikeys.services.bulk.create import Wanted, create_batch
from apikeys.services.issue import issue_key
from apikeys.services.makers import system
from apikeys.services.wanted import NewKey
from momentry.common.fence import note
from momentry.common.models import Fence, FenceChange
from tests import make

A, B = uuid.UUID(int=1), uuid.UUID(int=2)


def ids(number, seed):
    dice = random.Random(seed)
    return [uuid.UUID(int=dice.getrandbits(128), version=4) for _ in range(number)]


@pytest.fixture
def known():
    made = KeyIds()
    made.end(made.begin(0))
    return made


@pytest.mark.parametrize(("made_for", "most"), [(100_000, 0.01), (50_000, 0.03)])
def test_none_of_100_000_is_missed_and_few_others_pass(made_for, most):
    made, there = Filter(made_for), ids(100_000, 1)
    for key_id in there:
        made.add(key_id)

    assert all(key_id in made for key_id in there)
    assert sum(key_id in made for key_id in ids(20_000, 2)) <= most * 20_000
    assert 0.97 * 100_000 <= made.count <= 100_000
    assert sys.getsizeof(made.bits) <= max(LEAST_BYTES, 2 * made_for) + 100


def test_a_small_one_takes_hardly_anything_for_known():
    made = Filter(10)
    for key_id in ids(1000, 1):
        made.add(key_id)

    assert sum(key_id in made for key_id in ids(10_000, 2)) == 0


def test_ids_that_share_most_digits_are_told_apart_and_two_filters_differ():
    made, other = Filter(0), Filter(0)
    made.add(A)

    assert [uuid.UUID(int=number) in made for number in range(1000)].count(True) == 1
    assert made.places(A) != other.places(A)


def test_what_is_not_known_yet_refuses_nobody():
    fresh = KeyIds()

    assert (fresh.wanted, fresh.slot_of(A)) == (True, ADDRESS)


def test_a_known_id_has_a_slot_of_its_own_and_another_none(known):
    known.follow("key", str(A))

    assert known.slot_of(A) == slot_of_key(A) != slot_of_key(B)
    assert known.slot_of(B) == NOTHING


def test_what_comes_while_it_is_read_is_kept(known):
    made = known.begin(10)
    known.add(A)
    assert known.slot_of(A) == slot_of_key(A)

    made.add(B)
    known.end(made)

    assert {known.slot_of(A), known.slot_of(B)} == {slot_of_key(A), slot_of_key(B)}


@pytest.mark.parametrize(
    ("kind", "subject"), [("all", ""), ("something new", "x"), ("key", "no id")]
)
def test_what_may_be_about_any_id_has_all_read_anew(known, kind, subject):
    made = known.begin(10)

    known.follow(kind, subject)
    known.end(made)

    assert (known.wanted, known.slot_of(A)) == (True, ADDRESS)


@pytest.mark.parametrize("kind", ["member", "tier", "rules", "upstreams"])
def test_other_changes_are_no_matter_of_ids(known, kind):
    known.follow(kind, "x")

    assert (known.wanted, known.slot_of(A)) == (False, NOTHING)


def test_one_that_is_full_is_used_until_a_larger_one_was_read(known):
    known.filter.most = 3
    for key_id in ids(3, 1):
        assert not known.wanted
        known.add(key_id)
        known.add(key_id)  # known already

    assert known.wanted
    assert known.slot_of(B) == NOTHING
    known.end(known.begin(100_000))
    assert (known.wanted, known.filter.size) == (False, 1_600_000)


def noted(after):
    rows = FenceChange.objects.filter(generation__gt=after)
    return sorted(rows.values_list("kind", "subject"))


def generation():
    return Fence.objects.values_list("generation", flat=True).first() or 0


@pytest.fixture
def wanted(transactional_db):
    owner = make.member()
    return NewKey(name="n", owner_id=owner.pk), generation()


committing = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@committing
def test_a_key_that_is_issued_is_noted_once_it_is_committed(wanted):
    new, before = wanted

    with transaction.atomic():
        issued = issue_key(new, maker=system("test"))
        assert generation() == before

    assert noted(before) == [("key", str(issued.key.pk))]
    assert generation() == before + 1


@committing
def test_a_batch_raises_the_fence_once(wanted):
    new, before = wanted
    entries = [Wanted(new, Names(place, {})) for place in range(3)]

    made = create_batch(entries, maker=system("test"))

    assert noted(before) == sorted(("key", str(issued.key.pk)) for issued in made)
    assert generation() == before + 1


@committing
def test_keys_that_were_taken_back_raise_nothing(wanted):
    new, before = wanted

    with transaction.atomic():
        issue_key(new, maker=system("test"))
        transaction.set_rollback(True)

    assert (generation(), noted(before)) == (before, [])


@committing
def test_very_many_are_noted_as_all(wanted):
    _, before = wanted

    note.note_keys(ids(note.MOST + 1, 1))

    assert noted(before) == [("all", "")]
