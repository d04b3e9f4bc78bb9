"""Who makes room in a process that is full, and in which order; closes nobody.

Whoever has a request under way that moves is not among them. Of the others those go first who have
had a second and asked nothing, then kept connections between two requests, then requests that their
clients hold up, then those who came a moment ago. No address (IPv6: /64) has more than its share:
what one has beyond it goes before all of the same kind, and is given no moment.
"""

import heapq
from collections.abc import Iterable
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from apikeys.gate.guard import block
from proxy.gateway.connection import (
    BODY_IDLE_SECONDS,
    CLOSED,
    FLUSH_SECONDS,
    HEAD,
    HEAD_SECONDS,
    KEEP_ALIVE_SECONDS,
    NEVER,
    Connection,
)
from proxy.gateway.room import STILL_SECONDS, does_not_send

if TYPE_CHECKING:
    from proxy.gateway.exchange import Exchange

UNASKED: Final = 0  # nothing yet, or not the whole of a head
KEPT: Final = 1
SLOW: Final = 2
YOUNG: Final = 3
GRACE_SECONDS: Final = 1.0  # to ask in: longer than a round trip
SHARES: Final = 16  # a share is the sixteenth part of all places
BETWEEN: Final = (HEAD_SECONDS + KEEP_ALIVE_SECONDS) / 2  # deadlines of those who did not ask yet
ORDER: Final = itemgetter(0, 1, 2)

State = tuple[int, float]  # UNASKED, KEPT or SLOW, and since when, by the loop's clock


class Candidate(NamedTuple):
    """``beyond``: below zero by as many as its address has too many."""

    rank: int
    beyond: int
    since: float
    kind: int
    client: Connection


def state_of(client: Connection, now: float) -> State | None:
    """None while it has a request that moves."""
    exchange = client.exchange
    if exchange is not None:
        since = held_up_since(client, exchange, now)
        return None if since == NEVER else (SLOW, since)
    if client.phase == HEAD and not client.full:
        if client.buffer:
            return UNASKED, client.deadline - HEAD_SECONDS
        has_asked = client.deadline - client.idle_since > BETWEEN
        return (KEPT if has_asked else UNASKED), client.idle_since
    if client.phase in {HEAD, CLOSED}:  # it has not taken all of its last answer
        since = client.deadline - FLUSH_SECONDS
        return (SLOW, since) if since <= now - STILL_SECONDS else None
    return None


def held_up_since(client: Connection, exchange: "Exchange", now: float) -> float:
    """When it last took of its answer or sent of its body, if it does so too slowly."""
    if client.full:
        since = exchange.deadline - exchange.timeouts[2]
        return since if since <= now - STILL_SECONDS else NEVER
    if client.flowing and not client.ended:
        since = client.deadline - BODY_IDLE_SECONDS
        return since if does_not_send(exchange, now - since) else NEVER
    return NEVER


def first(clients: Iterable[Connection], now: float, places: int, count: int) -> list[Candidate]:
    """Those ``count`` of them who go before all others."""
    alike: dict[tuple[int, str], list[tuple[float, Connection]]] = {}
    for client in clients:
        state = state_of(client, now)
        if state is not None:
            alike.setdefault((state[0], block(client.peer)), []).append((state[1], client))
    found: list[Candidate] = []
    for (kind, _), members in alike.items():
        found += ranked(kind, members, now, max(1, places // SHARES))
    return heapq.nsmallest(count, found, key=ORDER)


def ranked(
    kind: int, members: list[tuple[float, Connection]], now: float, share: int
) -> Iterable[Candidate]:
    """Those of one kind and address."""
    members.sort(key=itemgetter(0))
    too_many = len(members) - share
    for place, (since, client) in enumerate(members):
        beyond = min(0, place - too_many)
        is_young = kind == UNASKED and not beyond and now - since < GRACE_SECONDS
        yield Candidate(YOUNG if is_young else kind, beyond, since, kind, client)
