"""Slots kept between two requests, in a real Valkey: few questions, never over, not for long."""

import pytest

from tests.apikeys.spare import LIMIT, play
from tests.apikeys.test_window_leases import PROCESSES, ask
from tests.apikeys.test_windows import left, subject


def test_a_busy_process_asks_valkey_seldom():
    async def scene(one):
        effect = ask((subject(), "concurrent", 1000), (subject("key"), "minute", 600_000))
        await one.warm(effect)
        before = one.valkey.asked
        await one.served(effect, 10_000)
        return one.valkey.asked - before

    assert play(scene, 1, processes=1) < 30


@pytest.mark.parametrize("limit", [1, 49])
def test_a_small_limit_is_asked_for_each_time(limit):
    async def scene(one):
        effect = ask((subject(), "concurrent", limit))
        await one.warm(effect)
        before = one.valkey.asked
        await one.served(effect, 20)
        return one.valkey.asked - before, one.spare

    assert play(scene, 1, processes=1) == (20, 0)


def test_who_calls_seldom_keeps_nothing():
    async def scene(one):
        effect = ask((name := subject(), "concurrent", LIMIT))
        for _ in range(5):
            await one.served(effect, 10)
            await one.second()
        await one.served(effect, 1)
        return one.spare, await one.taken(name)

    assert play(scene, 1) == (0, 0)


def test_what_runs_is_never_more_than_the_limit_and_all_of_it_is_used():
    async def scene(*processes):
        effect = ask((name := subject(), "concurrent", LIMIT), (subject("key"), "concurrent", 900))
        for each in processes:
            await each.warm(effect)
        kept = [each.spare for each in processes]
        assert all(0 < number <= LIMIT // (8 * PROCESSES) for number in kept)
        found = await processes[0].running(effect, 2 * LIMIT)
        assert len(found) == LIMIT - sum(kept[1:])
        others = [len(await each.running(effect, LIMIT)) for each in processes[1:]]
        assert others == kept[1:]
        return await processes[0].taken(name)

    assert play(scene) == LIMIT


def test_what_lies_still_is_given_up_within_two_seconds():
    async def scene(one, other):
        effect = ask((name := subject(), "concurrent", LIMIT))
        await one.warm(effect)
        assert 0 < one.spare == await one.taken(name)
        for _ in range(2):
            await one.second()
        assert one.spare == await one.taken(name) == 0
        return len(await other.running(effect, LIMIT + 1))

    assert play(scene, 2) == LIMIT


def test_who_has_no_room_left_gives_up_what_is_spare_beside_another_limit():
    async def scene(one):
        member = (subject(), "concurrent", LIMIT)
        keys = [ask(member, (subject("key"), "concurrent", 500)) for _ in range(2)]
        await one.warm(keys[0])
        spare = one.spare
        assert spare > 0
        found = len(await one.running(keys[1], LIMIT))
        return spare, found, len(await one.running(keys[1], LIMIT)), one.spare

    spare, found, more, kept = play(scene, 1)
    assert (found + more, kept) == (LIMIT, 0)
    assert LIMIT - spare <= found < LIMIT


def test_keys_of_one_member_keep_together_no_more_than_the_member_may():
    async def scene(one):
        member = (name := subject(), "concurrent", LIMIT)
        keys = [ask(member, (subject("key"), "concurrent", 5000)) for _ in range(8)]
        for effect in keys:
            await one.warm(effect)
        return one.spare, await one.taken(name)

    spare, taken = play(scene, 1)
    assert 0 < spare == taken <= LIMIT // (8 * PROCESSES)


def test_near_the_end_of_a_limit_less_is_kept():
    async def scene(one, other):
        effect = ask((subject(), "concurrent", LIMIT))
        await other.running(effect, LIMIT - 26)
        await one.warm(effect)
        return one.spare

    assert play(scene, 2) in {1, 2}  # of the 26 and fewer that were left


def test_who_was_busy_once_and_calls_seldom_now_keeps_nothing():
    async def scene(one):
        effect = ask((name := subject(), "concurrent", LIMIT))
        await one.warm(effect)
        for _ in range(3):
            await one.second()
            await one.served(effect)
        return one.spare, await one.taken(name)

    assert play(scene, 1) == (0, 0)


def test_a_busy_process_hears_within_a_second_what_others_took():
    async def scene(one, other):
        effect = ask((subject(), "concurrent", LIMIT), (subject("key"), "minute", 60_000))
        await one.warm(effect, 100)
        await other.running(effect, 100)
        stale = left(one.entrance.enter_now(effect))["concurrent"]
        await one.second()
        assert one.entrance.enter_now(effect) is None
        asked = left(await one.enter(effect))["concurrent"]
        return stale, asked, left(one.entrance.enter_now(effect))["concurrent"]

    assert play(scene, 2) == (LIMIT - 1, LIMIT - 102, LIMIT - 103)


def test_headers_count_what_runs_and_not_what_is_spare():
    async def scene(one):
        effect = ask((subject(), "concurrent", LIMIT), (subject("key"), "minute", 60_000))
        await one.warm(effect, 100)
        assert one.spare > 0
        seen = [left(one.entrance.enter_now(effect))["concurrent"] for _ in range(3)]
        asked = left(await one.enter(effect._replace(dry=True)))["concurrent"]
        return seen, asked

    assert play(scene, 1) == ([LIMIT - 1, LIMIT - 2, LIMIT - 3], LIMIT - 3)


def test_who_only_looks_may_use_what_is_spare():
    async def scene(one, other):
        effect = ask((subject(), "concurrent", LIMIT))
        await one.warm(effect)
        assert len(await other.running(effect, LIMIT)) == LIMIT - one.spare
        looked = await one.enter(effect._replace(holds=False))
        return looked.exceeded, (await other.enter(effect._replace(dry=True))).exceeded != ()

    assert play(scene, 2) == ((), True)


def test_who_only_looks_holds_nothing():
    async def scene(one):
        effect = ask((subject(), "concurrent", LIMIT), (subject("key"), "minute", 60_000))
        await one.warm(effect, 100)
        spare = one.spare
        looked = await one.enter(effect._replace(holds=False))
        return looked.entry.slots, one.spare - spare

    assert play(scene, 1) == ((), 0)


@pytest.mark.parametrize("changed", [60, 20])
def test_a_lowered_limit_holds_from_the_next_request_on(changed):
    async def scene(one):
        name = subject()
        await one.warm(ask((name, "concurrent", LIMIT)))
        running = await one.running(ask((name, "concurrent", LIMIT)), changed)
        effect = ask((name, "concurrent", changed))

        assert (await one.enter(effect)).exceeded

        one.leave(running[0])
        again = await one.running(effect, 5)
        return len(again), await one.taken(name)

    assert play(scene, 1) == (1, changed)


def test_nothing_is_kept_until_a_changed_limit_is_everybodys():
    async def scene(one):
        name = subject()
        await one.warm(ask((name, "concurrent", LIMIT)))
        effect = ask((name, "concurrent", LIMIT * 2))
        await one.served(effect, 50)
        before = one.spare
        one.ahead += one.entrance.leases.spares.settles
        await one.entrance.renew()
        await one.served(effect, 50)
        return before, one.spare > 0

    assert play(scene, 1) == (0, True)


def test_a_refusal_of_another_limit_puts_the_slot_back():
    async def scene(one):
        effect = ask((name := subject(), "concurrent", LIMIT), (subject("key"), "minute", 77))
        await one.warm(effect)
        assert await one.admitted(effect, 20) == 5
        return one.spare, await one.taken(name)

    spare, taken = play(scene, 1)
    assert (spare > 0, taken) == (True, 5 + spare)
