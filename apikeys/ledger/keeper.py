"""Keeps a gateway process's purses filled: one connection, one statement at a time (asyncio).

A statement whose answer was lost is sent again as it was, on a connection that waits until the
database has done with the one before: so nothing is taken or given back twice, or forgotten.
"""

import asyncio
import contextlib
from collections.abc import Callable
from time import monotonic
from typing import Any, Final, NamedTuple

from apikeys.gate.effects import DatabaseUnavailable, Take, Taken
from apikeys.gate.snapshot import Quota
from apikeys.gate.verdict import Charge
from apikeys.ledger import sql
from apikeys.ledger.link import FAILURES, Link, Rows
from apikeys.ledger.purse import Order
from apikeys.ledger.purses import Purses
from apikeys.ledger.take import RECALL_SECONDS, give_back_parameters, summed
from apikeys.ledger.waiting import Group, Waiter

TICK_SECONDS: Final = 0.25  # how often it is looked for purses that rest
REPORT_SECONDS: Final = 0.3  # as often as the fence is renewed
REAP_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 0.3
MOST: Final = 500  # purses in one statement


class Sent(NamedTuple):
    """``order`` None: a return."""

    statement: str
    parameters: dict[str, Any]
    order: Order | None


class Keeper:
    __slots__ = (
        "closing", "groups", "link", "purses", "reaped_at", "recalled", "refunds", "reported_at",
        "sent", "wake",
    )  # fmt: skip

    def __init__(self, conninfo: str, purses: Purses) -> None:
        self.link = Link(conninfo, purses.process)
        self.purses = purses
        self.groups: dict[tuple[Quota, ...], Group] = {}
        self.recalled: set[int] = set()
        self.refunds: list[Charge] = []
        self.sent: Sent | None = None
        self.reported_at = self.reaped_at = 0.0
        self.closing = False
        self.wake = asyncio.Event()

    # For requests.

    def take_now(self, take: Take) -> Taken | None:
        """From what is held here; None when somebody must be asked."""
        taken = self.purses.take(take, monotonic())
        if self.purses.low:
            self.wake.set()
        return taken

    async def take(self, take: Take) -> Taken:
        """Raises DatabaseUnavailable."""
        if self.closing:
            raise DatabaseUnavailable
        waiter = Waiter(take, asyncio.get_running_loop().create_future())
        self.groups.setdefault(take.quotas, Group()).waiters.append(waiter)
        self.wake.set()
        return await waiter.future

    def give_back(self, charges: tuple[Charge, ...]) -> None:
        """Units of a request that came to nothing; negative: it cost more. Where no purse has room
        for them the database is told. What was given back counts once, whatever is lost; what was
        spent at least once: the ledger errs towards having counted."""
        for charge in charges:
            purse = self.purses.purses.get(charge[:3])
            short = min(0, purse.left + charge.units) if purse else 0
            if not self.purses.refund(charge._replace(units=charge.units - short)):
                short = charge.units
            if short:
                self.refunds.append(charge._replace(units=short))
            elif purse and purse.has_surplus:
                self.wake.set()
        if self.refunds or self.purses.returning:
            self.wake.set()

    def recall(self, counters: str) -> None:
        """Somebody is short of these (comma-separated ids): what is unspent goes back."""
        self.recalled.update(int(text) for text in counters.split(",") if text.isdigit())
        self.wake.set()

    def close(self) -> None:
        self.closing = True
        self.wake.set()

    # Beside them.

    async def run(self, report: Callable[[str, BaseException], None]) -> None:
        """Until close(), and then until everything is given back or the database is away."""
        while True:
            is_last = self.closing and not self.groups
            try:
                await self.work()
                if is_last:
                    break
            except FAILURES:
                await self.stumble()
            except Exception as error:  # noqa: BLE001 - a defect must not end the keeping
                report("the ledger cannot be kept", error)
                self.sent = None
                await self.stumble()
            if self.closing and self.link.connection is None:
                break
        await self.link.disconnect()

    async def stumble(self) -> None:
        """Who waits is told; what was sent is sent again once the database is back."""
        for group in self.groups.values():
            for waiter in group.waiters:
                if not waiter.future.done():
                    waiter.future.set_exception(DatabaseUnavailable())
        self.groups.clear()
        self.refunds = summed(self.refunds)
        await self.link.disconnect()
        await asyncio.sleep(RETRY_SECONDS)

    async def work(self) -> None:
        """All there is to do now; then until somebody calls or the next look is due."""
        await self.link.connect()
        if self.sent is not None:
            await (self.ask(self.sent.order) if self.sent.order else self.send(self.sent))
        await self.give_back_some()
        now = monotonic()
        for quotas, group in tuple(self.groups.items()):
            if group.due <= now:
                await self.ask_for(quotas, group)
        for _ in range(len(self.purses.low)):
            take = self.purses.low.pop(0)
            if self.purses.is_to_fill(take):
                await self.ask_anew(take, ahead=True)
        await self.keep_books()
        await self.rest()

    async def rest(self) -> None:
        if not (self.closing and not self.groups):
            now = monotonic()
            due = min((group.due for group in self.groups.values()), default=now + TICK_SECONDS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.wake.wait(), max(0.0, min(due - now, TICK_SECONDS)))
        self.wake.clear()

    async def give_back_some(self) -> None:
        if self.closing:
            self.purses.give_up_all()
        if self.recalled:
            counters, self.recalled = frozenset(self.recalled), set()
            self.purses.give_up_recalled(counters)
        self.purses.give_up_idle(monotonic())
        while self.refunds:
            await self.refund_some()
        await self.empty_returning()

    async def refund_some(self) -> None:
        """Gains first, of a limit one period at a time, as in an asking. Of costs the answer may
        be lost: then they are told again."""
        await self.empty_returning()
        charges = [c for c in summed(self.refunds) if c.units < 0 or not self.purses.refund(c)]
        costs = [charge for charge in charges if charge.units < 0]
        gains = list({c[:3]: c for c in charges if c.units > 0}.values())[:MOST]
        now = set(gains)
        self.refunds = costs + [c for c in charges if c.units > 0 and c not in now]
        if gains:
            await self.ask(self.purses.refunds(gains))
        elif some := costs[:MOST]:
            await self.link.execute(sql.GIVE_BACK, give_back_parameters(some))
            del self.refunds[: len(some)]

    async def empty_returning(self) -> None:
        while self.purses.returning:
            await self.send(Sent(sql.RETURN, self.purses.returns(MOST), None))

    async def ask_for(self, quotas: tuple[Quota, ...], group: Group) -> None:
        """Until everybody who waits for these has units or a refusal, or must wait on."""
        while self.serve(group):
            is_final = await self.ask_anew(group.waiters[0].take)
            if not is_final and not self.wait_on(group):
                return
        del self.groups[quotas]

    def serve(self, group: Group) -> bool:
        """Is anybody left for whom it must be asked?"""
        now = monotonic()
        while group.waiters:
            waiter = group.waiters[0]
            if not waiter.future.done():
                taken = self.purses.take(waiter.take, now)
                if taken is None:
                    return True
                waiter.future.set_result(taken)
            group.waiters.popleft()
        return False

    def wait_on(self, group: Group) -> bool:
        """Units were called back, or given up. False: ask later. True: the first waited enough."""
        now = monotonic()
        for waiter in group.waiters:
            waiter.until = waiter.until or now + RECALL_SECONDS
        first = group.waiters[0]
        if now < first.until or not self.purses.knows(first.take):
            group.later(now)
            return False
        if not first.future.done():
            taken = self.purses.take(first.take, now) or self.purses.refuse(first.take)
            first.future.set_result(taken)
        group.waiters.popleft()
        return True

    async def ask_anew(self, take: Take, *, ahead: bool = False) -> bool:
        """What was held of the same counter under another limit goes back first."""
        order = self.purses.order(take, ahead=ahead)
        await self.empty_returning()
        return await self.ask(order)

    async def ask(self, order: Order) -> bool:
        """False: short, but others hold units and were called."""
        rows = await self.send(Sent(sql.LEASE, order.parameters, order))
        while not rows:
            await self.link.execute(sql.OPEN, order.parameters)
            rows = await self.send(Sent(sql.LEASE, order.parameters, order))
        return self.purses.answered(order, rows, monotonic())

    async def keep_books(self) -> None:
        """Say what was spent; end the leases of processes that are gone."""
        now = monotonic()
        if now >= self.reported_at + REPORT_SECONDS:
            self.reported_at = now
            parameters = self.purses.report(MOST)
            if parameters["counters"]:
                self.purses.reported(await self.link.execute(sql.REPORT, parameters), now)
        if now >= self.reaped_at + REAP_SECONDS:
            self.reaped_at = now
            await self.link.execute(sql.REAP, {})

    async def send(self, sent: Sent) -> Rows:
        self.sent = sent
        rows = await self.link.execute(sent.statement, sent.parameters)
        self.sent = None
        return rows
