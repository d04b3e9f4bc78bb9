"""What a process lets in while Valkey is away is counted there once it is back, and only once."""

import asyncio
import math
import os

import pytest
from redis import Redis

from apikeys.gate import debts
from apikeys.gate.debts import PAY_SCRIPT, Debts
from apikeys.gate.windows import place_of
from tests.apikeys.test_window_leases import NOW, run
from tests.apikeys.test_windows import ask, left, subject

AT = int(NOW.timestamp())


@pytest.fixture
def redis():
    client = Redis.from_url(os.environ["REDIS_URL"])
    yield client
    client.close()


def place(name="minute"):
    effect = ask((subject(), name, 100))
    return place_of(effect.windows[0], 2, AT)


def used(redis, key):
    return int(redis.get(key) or 0)


def test_a_part_that_is_told_again_counts_once(redis):
    owed, minute = Debts(subject()), place()
    owed.add((minute,))
    owed.add((minute,))
    (part,) = owed.due()

    for _ in range(3):
        redis.eval(PAY_SCRIPT, *part.words)

    assert used(redis, minute.key) == 4
    assert 0 < redis.pttl(minute.key) <= debts.LIFE_MS
    assert owed.due() == []


def test_seconds_and_slots_are_not_owed():
    owed = Debts(subject())

    owed.add((place("second"), place("concurrent")))

    assert owed.due() == []


def test_many_are_told_in_parts_of_different_names(monkeypatch):
    monkeypatch.setattr(debts, "PART", 2)
    owed = Debts(subject())
    owed.add(tuple(place() for _ in range(5)))

    parts = owed.due()

    assert [len(part.units) for part in parts] == [2, 2, 1]
    assert len({part.name for part in parts}) == 3


def away(process):
    process.valkey.away_until = math.inf


def back(process):
    process.valkey.away_until = 0.0


def test_the_first_question_after_an_outage_is_asked_after_the_debts():
    async def play(one, other):
        effect = ask((subject(), "minute", 40))
        away(one)
        assert await one.admitted(effect, 20) == 10  # its share
        taken = await other.enter(effect)
        back(one)
        return left(taken), left(await one.enter(effect))

    assert run(play, 2) == ({"minute": 39}, {"minute": 28})


def test_what_came_to_nothing_is_not_owed():
    async def play(one):
        effect = ask((subject(), "minute", 40))
        away(one)
        taken = await one.enter(effect)
        one.entrance.leave(taken.entry, back=True)
        back(one)
        return left(await one.enter(effect))

    assert run(play, 1) == {"minute": 39}


def test_it_lets_in_no_more_than_valkey_had_left():
    """Its share is ten, but it was told that others have taken nearly all."""

    async def play(one, other):
        effect = ask((subject(), "minute", 40))
        assert await one.admitted(effect, 38) == 38
        await other.enter(effect)
        away(other)
        return await other.admitted(effect, 20)

    assert run(play, 2) == 1


def test_a_debt_that_could_not_be_told_stays_one():
    async def play(one):
        effect = ask((subject(), "minute", 40))
        away(one)
        assert await one.admitted(effect, 3) == 3
        back(one)
        link = await one.valkey.connected()
        link.close()  # between the two
        one.entrance.pay(link)
        await asyncio.sleep(0)
        return left(await one.enter(effect))

    assert run(play, 1) == {"minute": 36}
