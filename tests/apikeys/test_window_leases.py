"""Leases of burst windows in a real Valkey: never over, hardly a unit unused, few questions."""

import asyncio
import os
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apikeys.gate import link, valkey, windows
from apikeys.gate.effects import Enter
from apikeys.gate.entrance import Entrance
from apikeys.gate.shapes import anything
from apikeys.gate.snapshot import Window
from apikeys.gate.valkey import Valkey
from tests.apikeys.test_windows import left, subject

NOW = datetime(2026, 11, 21, 12, 0, 30, 500_000, tzinfo=UTC)
PROCESSES = 4


class Asking(Valkey):
    """Counts its questions."""

    def __init__(self, url):
        super().__init__(url)
        self.asked = 0

    async def ask(self, script, keys, arguments, fits=anything):
        self.asked += script == windows.ENTER_SCRIPT
        return await super().ask(script, keys, arguments, fits)


class Process:
    """One gateway's entrance."""

    def __init__(self, processes=PROCESSES, url=""):
        self.alone = 0
        self.valkey = Asking(url or os.environ["REDIS_URL"])
        self.entrance = Entrance(self.valkey, lambda: processes, self.count_alone)

    def count_alone(self):
        self.alone += 1

    async def enter(self, effect):
        """As the gate's door does it."""
        entered = self.entrance.enter_now(effect)
        return await self.entrance.enter(effect) if entered is None else entered

    async def admitted(self, effect, number):
        """How many of so many, one after the other."""
        return sum([not (await self.enter(effect)).exceeded for _ in range(number)])

    async def rest(self):
        """As it is called every second, until nothing moves any more."""
        for _ in range(2):
            self.entrance.leases.rest()
            self.entrance.send_back()
        await self.valkey.call("PING")

    def unspent(self):
        return sum(lease.left for lease in self.entrance.leases.kept.values())


def run(play, number=PROCESSES, kind=Process, **given):
    """``play`` with so many processes of a gateway."""

    async def playing():
        processes = [kind(**given) for _ in range(number)]
        try:
            return await play(*processes)
        finally:
            for process in processes:
                await process.entrance.close()

    with pytest.MonkeyPatch.context() as patch:
        for module in (link, valkey):
            patch.setattr(module, "TIMEOUT_SECONDS", 5.0)  # a busy machine is no outage
        return asyncio.run(playing())


def ask(*limits, units=1, now=NOW, **flags):
    """``limits``: (subject, name, limit). A key's windows are one tuple as long as it is known."""
    return Enter(tuple(Window(*limit) for limit in limits), units, now, **flags)


def test_a_busy_process_asks_valkey_seldom():
    async def play(one):
        effect = ask((subject(), "minute", 60_000), (subject("key"), "second", 20_000))
        assert await one.admitted(effect, 10_000) == 10_000
        return one.valkey.asked

    assert run(play, 1) < 100


def test_a_small_limit_is_asked_for_each_time():
    async def play(one):
        assert await one.admitted(ask((subject(), "minute", 49)), 60) == 49
        return one.valkey.asked

    assert run(play, 1) == 60


def test_a_steady_process_has_its_lease_at_once_in_the_next_window():
    async def play(one):
        second = (subject(), "second", 2000)
        for number in range(2):
            before = one.valkey.asked
            effect = ask(second, now=NOW + timedelta(seconds=number))
            assert await one.admitted(effect, 1000) == 1000
        return one.valkey.asked - before

    assert run(play, 1, processes=1) <= 6


DEMAND = st.lists(
    st.tuples(st.integers(0, PROCESSES - 1), st.integers(1, 120)), min_size=1, max_size=15
)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(limit=st.integers(50, 900), demand=DEMAND)
def test_no_process_is_ever_let_past_the_limit_and_none_keeps_what_others_want(limit, demand):
    async def play(*processes):
        effect = ask((subject(), "minute", limit))
        found = [0] * PROCESSES
        for number, wanted in demand:
            found[number] += await processes[number].admitted(effect, wanted)
            assert sum(found) <= limit
        for number, process in enumerate(processes):
            bound = min(limit // (8 * PROCESSES), found[number])
            assert process.unspent() <= bound
        last = processes[demand[-1][0]]
        kept = sum(process.unspent() for process in processes if process is not last)
        rest = await last.admitted(effect, limit)
        assert sum(found) + rest == limit - kept
        for process in processes:
            await process.rest()
        assert await last.admitted(effect, limit) == kept

    run(play)


def test_all_at_once_admit_exactly_the_limit():
    async def play(*processes):
        effect = ask((subject(), "minute", 700), (subject("key"), "second", 5000))
        asked = [process.admitted(effect, 20) for process in processes for _ in range(20)]
        return sum(await asyncio.gather(*asked))

    assert run(play) == 700


def test_windows_are_taken_together_or_not_at_all():
    async def play(one, other):
        member, key = (subject(), "minute", 500), (subject("key"), "second", 10)
        assert await one.admitted(ask(member), 100) == 100

        assert await one.admitted(ask(member, key), 30) == 10

        assert left(await one.enter(ask(member, dry=True))) == {"minute": 390}
        await one.rest()
        assert left(await other.enter(ask(member, dry=True))) == {"minute": 390}

    run(play, 2)


def test_a_key_with_slots_spends_the_lease_of_its_member_too():
    async def play(one):
        member, slots = (subject(), "minute", 400), (subject(), "concurrent", 500)
        assert await one.admitted(ask(member), 100) == 100

        return await one.admitted(ask(member, slots), 400)

    assert run(play, 1) == 300


def test_a_lease_ends_with_its_window():
    async def play(one):
        effect = ask((subject(), "second", 1000))
        await one.admitted(effect, 100)
        on_lease = one.unspent()
        assert on_lease > 0

        later = effect._replace(now=NOW + timedelta(milliseconds=500))

        assert one.entrance.enter_now(later) is None
        assert left(await one.enter(later)) == {"second": 999}
        assert await one.admitted(later, 1500) == 999
        assert await one.admitted(effect, 2000) == 900 - on_lease  # it came too late

    run(play, 1)


@pytest.mark.parametrize(("changed", "more"), [(120, 0), (300, 100), (1200, 1000)])
def test_a_changed_limit_is_the_one_that_holds(changed, more):
    async def play(one, other):
        member = subject()
        await one.admitted(ask((member, "minute", 600)), 200)
        assert one.unspent() > 0

        effect = ask((member, "minute", changed))

        assert one.entrance.enter_now(effect) is None
        found = await one.admitted(effect, 1500)
        await one.rest()
        return found + await other.admitted(effect, 1500)

    assert run(play, 2) == more


def test_who_came_to_nothing_gives_back_to_the_lease_but_never_more_than_it_may_hold():
    async def play(one, other):
        effect = ask((subject(), "minute", 400))
        entered = [await one.enter(effect) for _ in range(400)]
        assert (await one.enter(effect)).exceeded
        asked = one.valkey.asked

        one.entrance.leave(entered[0].entry, back=True)
        assert one.entrance.enter_now(effect) is not None
        assert one.valkey.asked == asked

        for each in entered[:100]:
            one.entrance.leave(each.entry, back=True)
        assert one.unspent() <= 400 // (8 * PROCESSES)
        await one.valkey.call("PING")
        return await other.admitted(effect, 400) + one.unspent()

    assert run(play, 2) == 100


def test_a_refund_under_a_lowered_limit_admits_nobody():
    async def play(one):
        member = subject()
        effect = ask((member, "minute", 600))
        entered = [await one.enter(effect) for _ in range(200)]
        lowered = ask((member, "minute", 100))
        assert (await one.enter(lowered)).exceeded

        for each in entered[:50]:
            one.entrance.leave(each.entry, back=True)

        return await one.admitted(lowered, 5)

    assert run(play, 1) == 0


def test_without_valkey_what_is_on_lease_counts_to_the_share():
    async def play(one):
        effect = ask((subject(), "minute", 400))
        assert await one.admitted(effect, 80) == 80
        on_lease = one.unspent()
        one.valkey.away_until = float("inf")

        found = await one.admitted(effect, 400)

        assert (on_lease > 0, one.alone) == (True, 20 - on_lease + 380)
        return found

    assert run(play, 1) == 400 // PROCESSES - 80


def test_a_request_that_is_given_up_while_it_asks_holds_nothing():
    async def play(one):
        effect = ask((subject(), "minute", 4000))
        await one.admitted(effect, 100)
        while one.entrance.enter_now(effect) is not None:
            pass
        asking = asyncio.ensure_future(one.enter(effect))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

        assert await one.admitted(effect, 50) == 50
        return one.unspent()

    assert run(play, 1) > 0


def test_a_process_that_leaves_gives_back_its_leases():
    async def play(one, other):
        effect = ask((subject(), "minute", 400))
        found = await one.admitted(effect, 100)
        await one.entrance.close()
        return found + await other.admitted(effect, 400)

    assert run(play, 2) == 400
