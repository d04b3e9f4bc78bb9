"""What a change of the fence means for one process: forget, read again, look at what is open."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from proxy.gateway.admission import recheck
from proxy.gateway.fence import Change
from proxy.gateway.own import guarded

if TYPE_CHECKING:
    from proxy.gateway.core import Core
    from proxy.gateway.exchange import Exchange

OF_KEYS: Final = frozenset(("key", "member", "tier"))


async def follow_changes(
    core: "Core", refresh: Callable[[], Awaitable[None]], changes: tuple[Change, ...]
) -> None:
    """Done when no request is judged by what was before. Raises what ``refresh`` does: then the
    changes are not acknowledged, and this process stops relying on its memory. What is forgotten
    comes last: during a refresh an answer of before may still have been remembered."""
    if any(change.kind not in OF_KEYS for change in changes):
        await refresh()
    for change in changes:
        core.door.memory.forget(change.kind, change.subject)
        core.door.ids.follow(change.kind, change.subject)
        if change.kind == "database":
            give_up_leases(core)
    core.door.changed()
    for client in tuple(core.clients):
        exchange = client.exchange
        if exchange is not None and is_touched(exchange, changes):
            core.spawn(guarded(exchange, recheck(exchange)))


def give_up_leases(core: "Core") -> None:
    """They may be another database's; what is this one's goes back. At once: the ledger's own
    connection may come long after the fence's, and until then requests would spend them."""
    keeper = core.door.keeper
    keeper.purses.give_up_all()
    keeper.wake.set()


def is_touched(exchange: "Exchange", changes: tuple[Change, ...]) -> bool:
    """Was it admitted by something that changed? Tiers are not known of it: any may be its own."""
    verdict = exchange.verdict
    if exchange.over or verdict is None or not verdict.ok or verdict.key_id is None:
        return False
    own = {("key", str(verdict.key_id)), ("member", str(verdict.member_id))}
    return any(change in own or change.kind in {"tier", "all"} for change in changes)
