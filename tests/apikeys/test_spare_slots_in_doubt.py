"""Slots kept between two requests while Valkey, the process or the client does not keep up."""

import asyncio

import pytest

from apikeys.gate import windows
from tests.apikeys.spare import LIMIT, play
from tests.apikeys.test_window_leases import PROCESSES, ask
from tests.apikeys.test_windows import subject


def test_a_process_that_stood_still_uses_no_slot_that_has_ended():
    async def scene(one, other):
        effect = ask((name := subject(), "concurrent", LIMIT))
        await one.warm(effect)
        assert one.spare > 0
        await one.valkey.call("DEL", f"momentry:slots:{name}")  # as after five seconds
        one.ahead += 4.0
        assert len(await other.running(effect, LIMIT)) == LIMIT
        return len(await one.running(effect, 5)), one.entrance.enter_now(effect)

    assert play(scene, 2) == (0, None)


def test_slots_that_valkey_lost_are_no_longer_spare():
    async def scene(one):
        effect = ask((name := subject(), "concurrent", LIMIT))
        await one.warm(effect)
        running = await one.running(effect, 3)
        spare = one.spare
        await one.valkey.call("DEL", f"momentry:slots:{name}")

        await one.second()

        assert (spare > 0, one.spare, await one.taken(name)) == (True, 0, 3)
        for each in running:
            one.leave(each)
        return await one.taken(name)

    assert play(scene, 1) == 0


def test_slots_that_nobody_renewed_are_not_used():
    async def scene(one):
        effect = ask((subject(), "concurrent", LIMIT))
        await one.warm(effect)
        one.valkey.away_until = float("inf")
        for _ in range(4):
            one.ahead += windows.RENEW_SECONDS
            await one.entrance.renew()
        return one.spare > 0, one.entrance.enter_now(effect)

    assert play(scene, 1) == (True, None)


def test_a_slot_is_renewed_in_time_although_its_process_stood_still_meanwhile():
    async def scene(one):
        effect = ask((name := subject(), "concurrent", LIMIT))

        async def stand_still():
            one.ahead += 3.0

        one.meanwhile[windows.ENTER_SCRIPT] = stand_still
        await one.running(effect, 1)
        due = one.clock() - windows.RENEW_SECONDS
        return [slot for slot, _ in one.entrance.local.held_since(due)] == [
            f"momentry:slots:{name}"
        ]

    assert play(scene, 1)


def test_nothing_is_spare_of_a_set_in_which_lost_slots_were_put_back():
    async def scene(one):
        effect = ask((name := subject(), "concurrent", LIMIT))
        await one.warm(effect)
        running = await one.running(effect, 30)
        await one.valkey.call("DEL", f"momentry:slots:{name}")

        async def be_busy():
            await one.served(effect, 20)
            assert one.spare > 0

        one.meanwhile["announce"] = be_busy
        one.ahead += windows.RENEW_SECONDS
        await one.entrance.renew()
        for each in running:
            one.leave(each)
        return one.spare, await one.taken(name)

    assert play(scene, 1) == (0, 0)


def test_without_valkey_the_share_is_not_less_what_was_spare():
    async def scene(one):
        effect = ask((subject(), "concurrent", LIMIT))
        await one.warm(effect)
        assert one.spare > 0
        one.valkey.away_until = float("inf")
        found = [await one.entrance.enter(effect) for _ in range(LIMIT)]
        in_memory = sum(each.entry is not None and each.entry.shared for each in found)
        return sum(not each.exceeded for each in found) - in_memory, in_memory > 0

    let_in, had_spare = play(scene, 1)
    assert had_spare
    assert let_in <= LIMIT // PROCESSES


def test_who_is_given_up_while_he_asks_leaves_no_slot_behind():
    async def scene(one):
        effect = ask((name := subject(), "concurrent", LIMIT))
        await one.warm(effect)
        while one.entrance.enter_now(effect) is not None:
            pass
        asking = asyncio.ensure_future(one.enter(effect))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert one.spare == 0
        held = one.entrance.local.held[f"momentry:slots:{name}"]
        return await one.taken(name) - len(held)

    assert play(scene, 1) in {0, 1}  # it ends by itself, as nobody renews it


def test_a_process_that_leaves_gives_up_what_is_spare():
    async def scene(one, other):
        effect = ask((name := subject(), "concurrent", LIMIT))
        await one.warm(effect)
        assert one.spare > 0
        await one.entrance.close()
        return await other.taken(name)

    assert play(scene, 2) == 0
