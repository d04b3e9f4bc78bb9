"""The gateway's way to burst windows and slots: Valkey by asyncio. Django's: services.entrance."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from apikeys.gate import windows
from apikeys.gate.debts import PAY_SCRIPT, Debts, Part
from apikeys.gate.effects import Enter, Entered
from apikeys.gate.eviction import fault_in
from apikeys.gate.lease import SHARE
from apikeys.gate.leases import Asked, Leases, return_words
from apikeys.gate.link import Link
from apikeys.gate.local import Local
from apikeys.gate.outage import logger
from apikeys.gate.shapes import is_done, is_number, numbers, places
from apikeys.gate.spares import Spares
from apikeys.gate.valkey import Valkey
from apikeys.gate.verdict import Entry
from apikeys.gate.windows import Slot

BATCH: Final = 500  # slots renewed, or leases returned, in one call


class Entrance:
    """Counts in memory what is on lease, else in Valkey; in this process alone while Valkey does
    not answer. Never raises.

    The connection keeps the order: what was given up is free before anything is asked later.
    """

    __slots__ = ("alone", "debts", "leases", "local", "processes", "valkey")

    def __init__(
        self,
        valkey: Valkey,
        processes: int | Callable[[], int],
        alone: Callable[[], None],
        settles: float = 1.0,
    ) -> None:
        """``processes``: how many gateways live now; ``alone`` is called for each request that is
        counted without Valkey; ``settles``: seconds after which no process goes by a limit that
        was changed."""
        self.valkey = valkey
        self.alone = alone
        self.processes = processes
        self.local = Local(1)
        self.leases = Leases(self.local, Spares(settles))
        self.debts = Debts(self.local.process)
        valkey.before = self.pay

    def enter_now(self, effect: Enter) -> Entered | None:
        """From memory; None when Valkey must be asked."""
        return self.leases.enter(effect)

    async def enter(self, effect: Enter) -> Entered:
        entered = self.leases.enter(effect)
        if entered is not None:
            return entered
        self.count_processes()
        asked = self.leases.ask(effect)
        token = asked.token or self.local.token(effect, asked.places)
        reply: list[Any] | None = None
        began = self.valkey.now()
        try:
            reply = await self.ask(effect, asked, token)
        finally:
            self.leases.answered(effect, asked, reply)
            self.give_up_slots()
        if reply is None:
            return self.enter_alone(effect, asked)
        used = reply[1::2]
        self.local.hear(asked.places, used)
        left = self.leases.left(asked)
        entered = windows.entered(effect, asked.places, token, reply, left)
        if entered.entry is not None:
            self.local.admitted(entered.entry, began)
            self.leases.entered(asked, used)
        return entered

    async def ask(self, effect: Enter, asked: Asked, token: str) -> list[Any] | None:
        self.send_back()
        share = SHARE * self.leases.processes
        arguments = windows.enter_arguments(effect, asked.places, token, share)
        keys = windows.enter_keys(asked.places)
        reply: list[Any] | None = await self.valkey.ask(
            windows.ENTER_SCRIPT, keys, arguments, numbers(1 + 2 * len(keys))
        )
        return reply

    def enter_alone(self, effect: Enter, asked: Asked) -> Entered:
        """By this process's share of the limits, of which it has used what it let in, and by what
        Valkey had left when it was asked last."""
        self.alone()
        for _, place, lease in asked.current():
            self.local.counts.put(place.key, lease.spent)
        token = self.local.token(effect, asked.places)
        entered = self.local.enter(effect, asked.places, token, self.valkey.now())
        if entered.entry is not None:
            self.debts.add(asked.places)
            for _, place, lease in asked.current():
                lease.spent += place.wanted
        return entered

    def pay(self, link: Link) -> None:
        """Before it is asked again Valkey counts what was let in without it."""
        for part in self.debts.due() if self.debts else ():
            told = link.send("EVAL", PAY_SCRIPT, *part.words, fits=is_number)
            told.add_done_callback(partial(self.paid, part))

    def paid(self, part: Part, told: "asyncio.Future[Any]") -> None:
        if told.cancelled() or told.exception() is not None or told.result() != 1:
            self.debts.unpaid.append(part)

    def count_processes(self) -> None:
        number = self.processes if isinstance(self.processes, int) else self.processes()
        self.local.processes = self.leases.processes = max(1, number)

    def leave(self, entry: Entry, *, back: bool) -> None:
        """``back``: it came to nothing, so its units go back too. A slot whose release is lost ends
        by itself, for nobody renews it."""
        is_kept = bool(entry.slots) and self.leases.spares.keep(entry)
        if not back and (is_kept or not entry.slots):
            return
        if is_kept:
            entry = entry._replace(slots=())
        self.local.leave(entry, back=back)
        if back and not entry.shared:
            self.debts.forgive(entry)
        if back:
            entry = entry._replace(counters=self.leases.take_back(entry))
        if keys := windows.leave_keys(entry, back=back):
            arguments = windows.leave_arguments(entry, keys)
            words = (windows.LEAVE_SCRIPT, len(keys), *keys, *arguments)
            self.valkey.tell("EVAL", *words, fits=is_done)

    def give_up_slots(self) -> None:
        """Spare ones that nobody here wants."""
        for names, token in self.leases.spares.all_given_up():
            self.leave(Entry((), 0, names, token, shared=False), back=False)

    def send_back(self) -> None:
        """Units on lease that nobody here wants."""
        while units := self.leases.returned(BATCH):
            self.valkey.tell("EVAL", windows.RETURN_SCRIPT, *return_words(units), fits=is_done)

    async def examine(self) -> bool:
        """Say it when Valkey may throw counters away. False while there is none to be asked."""
        info = await self.valkey.info("memory")
        if fault := fault_in(info or ""):
            logger.warning(fault)
        return info is not None

    async def renew_forever(self) -> None:
        examined = False
        while True:
            await self.valkey.keep()
            examined = examined or await self.examine()
            await asyncio.sleep(windows.RENEW_SECONDS)
            self.leases.rest()
            self.send_back()
            self.give_up_slots()
            await self.renew()

    async def close(self) -> None:
        """What is on lease goes back, and the connection ends."""
        self.leases.close()
        self.send_back()
        self.give_up_slots()
        await self.valkey.close()

    async def renew(self) -> None:
        """Keep the slots that are held."""
        began = self.valkey.now()
        slots = tuple(self.local.held_since(began - windows.RENEW_SECONDS))
        for start in range(0, len(slots), BATCH):
            if not await self.renew_some(slots[start : start + BATCH]):
                return
        self.leases.spares.renewed(began)

    async def renew_some(self, slots: tuple[Slot, ...]) -> bool:
        """Those that Valkey lost (flushed, away) are put back, but not what left meanwhile, and
        none that was spare. False: Valkey is away."""
        lost = await self.ask_about(slots, "renew")
        if lost is None:
            return False
        missing = tuple(slots[place - 1] for place in lost)
        if still := self.in_use(missing):
            await self.announce(still)
        return True

    def in_use(self, missing: tuple[Slot, ...]) -> tuple[Slot, ...]:
        """Too many may run in these sets: none stays spare until Valkey was asked again."""
        for name in {name for name, _ in missing}:
            self.leases.spares.give_up(name)
        self.give_up_slots()
        return tuple(slot for slot in missing if self.local.holds(slot))

    async def announce(self, still: tuple[Slot, ...]) -> None:
        await self.ask_about(still, "announce")
        self.in_use(still)
        for key, token in still:
            if not self.local.holds((key, token)):
                self.leave(Entry((), 0, (key,), token, shared=True), back=False)

    async def ask_about(self, slots: tuple[Slot, ...], what: str) -> list[int] | None:
        keys = tuple(key for key, _ in slots)
        arguments = windows.renew_arguments(slots, what)
        reply: list[int] | None = await self.valkey.ask(
            windows.RENEW_SCRIPT, keys, arguments, places(len(keys))
        )
        return reply
