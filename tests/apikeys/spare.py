"""A gateway process with slots to spare, for tests; its seconds pass when they say so."""

import time

from apikeys.gate import windows
from apikeys.gate.shapes import anything
from tests.apikeys.test_window_leases import PROCESSES, Process, run

LIMIT = 320  # of which each of four processes may keep ten


class Kept(Process):
    """A process of a gateway that has gone by its limits for a while; its clock is ours."""

    def __init__(self, **given):
        super().__init__(**given)
        self.ahead = 0.0
        self.meanwhile = {}  # by script: what happens once, before the process sees its reply
        self.ask_valkey, self.valkey.ask = self.valkey.ask, self.ask
        self.entrance.valkey.now = self.entrance.leases.spares.now = self.clock

    async def ask(self, script, keys, arguments, fits=anything):
        reply = await self.ask_valkey(script, keys, arguments, fits)
        what = "announce" if "announce" in arguments else script
        if what in self.meanwhile:
            await self.meanwhile.pop(what)()
        return reply

    def clock(self):
        return time.monotonic() + self.ahead

    async def second(self):
        """What is done every second, a second later."""
        self.ahead += windows.RENEW_SECONDS
        self.entrance.leases.rest()
        self.entrance.send_back()
        self.entrance.give_up_slots()
        await self.entrance.renew()

    async def warm(self, effect, number=20):
        """Busy, and since longer than a changed limit takes to settle."""
        for _ in range(2):
            await self.served(effect, number)
            await self.second()
        await self.served(effect, number)
        for entered in await self.running(effect, 12):
            self.leave(entered)

    async def served(self, effect, number=1):
        """One after the other, each to its end."""
        for _ in range(number):
            entered = await self.enter(effect)
            assert not entered.exceeded
            self.leave(entered)

    def leave(self, entered):
        self.entrance.leave(entered.entry, back=False)

    async def running(self, effect, number):
        """So many that begin at once and do not end: those that were let in."""
        found = [await self.enter(effect) for _ in range(number)]
        return [entered for entered in found if not entered.exceeded]

    async def taken(self, name):
        return await self.valkey.call("ZCARD", f"momentry:slots:{name}")

    @property
    def spare(self):
        return sum(len(group.tokens) for group in self.entrance.leases.spares.groups.values())


def play(scene, number=PROCESSES, **given):
    return run(scene, number, kind=Kept, **given)
