"""A hold that leaves the house opens for its caller only, and only as it was made."""

import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeys.gate.sealed import MAX_LENGTH, InvalidHold, SealedHold, seal, unseal
from apikeys.gate.verdict import Charge
from apikeys.services.wanted import MAX_LIMIT

KEY, OLDER = b"k" * 32, b"o" * 32
CALLER = "key:" + "a" * 32
START = datetime(2026, 10, 31, 23, tzinfo=UTC)
HOLD = SealedHold(
    uuid.UUID(int=7),
    CALLER,
    uuid.UUID(int=8),
    datetime(2026, 11, 21, 13, 0, 0, 123456, tzinfo=UTC),
    (
        Charge("member:1", "requests", "month", START, 1),
        Charge("key:2", "tokens", "lifetime", datetime(1970, 1, 1, tzinfo=UTC), MAX_LIMIT),
    ),
)
TEXT = seal(HOLD, KEY)


def test_it_opens_as_it_was():
    assert unseal(TEXT, [KEY], caller=CALLER) == HOLD


def test_it_opens_after_the_ring_got_a_new_key():
    assert unseal(seal(HOLD, OLDER), [KEY, OLDER], caller=CALLER) == HOLD


def test_it_opens_for_nobody_else():
    with pytest.raises(InvalidHold):
        unseal(TEXT, [KEY], caller="key:" + "b" * 32)


def test_it_opens_under_no_other_key():
    for keys in ([OLDER], []):
        with pytest.raises(InvalidHold):
            unseal(TEXT, keys, caller=CALLER)


@pytest.mark.parametrize("place", range(0, len(TEXT), 7))
def test_no_other_character_passes(place):
    mutant = TEXT[:place] + ("A" if TEXT[place] != "A" else "B") + TEXT[place + 1 :]

    with pytest.raises(InvalidHold):
        unseal(mutant, [KEY], caller=CALLER)


@given(st.text(max_size=60))
def test_odd_texts_are_refused(text):
    for odd in (text, f"h1.{text}", f"{TEXT}{text or '.'}", TEXT.replace("h1", text or "h2", 1)):
        if odd != TEXT:
            with pytest.raises(InvalidHold):
                unseal(odd, [KEY], caller=CALLER)


def test_all_charges_there_can_be_fit():
    subjects = ("member:" + "f" * 32, "key:" + "f" * 32)
    charges = tuple(
        Charge(subject, metric, period, START, MAX_LIMIT)
        for subject in subjects
        for metric in ("requests", "tokens", "cost_micro")
        for period in ("day", "month", "lifetime")
    )

    text = seal(HOLD._replace(charges=charges), KEY)

    assert len(text) < MAX_LENGTH
    assert unseal(text, [KEY], caller=CALLER).charges == charges
