"""What remains of an exchange: its request log row, its figures, and what it gives back."""

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final

from apikeys.gate.headers import Fields, legacy_headers, limit_headers
from apikeys.gate.holds import unspent
from apikeys.gate.verdict import ANONYMOUS, Charge, Verdict
from apikeys.gate.windows import returned
from apikeys.requestlog.row import ERROR_DETAIL_LENGTH, PATH_LENGTH, USER_AGENT_LENGTH, LogRow
from momentry.common.errors import CODES
from momentry.common.ownkeys import without_keys
from proxy.gateway import attempts
from proxy.gateway.facts import Facts, Texts
from proxy.gateway.head import METHODS
from proxy.gateway.hygiene import Framing
from proxy.gateway.metering import ABORTED, UNTOLD, Figures
from proxy.gateway.metrics import BYTES_IN, BYTES_OUT, IN_FLIGHT
from proxy.gateway.paths import Kind

if TYPE_CHECKING:
    from proxy.gateway.exchange import Exchange

KINDS: Final = {Kind.PROXY: "proxy", Kind.V1: "proxy", Kind.API: "api", Kind.KEYS_VERIFY: "api"}
PROBES: Final = frozenset((Kind.HEALTH, Kind.READY))
PARTLY_LOGGED: Final = frozenset((*PROBES, Kind.METRICS, Kind.OPEN))
OPERATION_LENGTH: Final = 100
DENIED: Final = frozenset((401, 403))
DIED: Final = "process_died"


def write(exchange: "Exchange") -> None:
    """Called once, at the end."""
    core = exchange.core
    counts = core.metrics.counts
    elapsed = monotonic() - exchange.started
    counts[IN_FLIGHT] -= 1
    note_use(exchange)
    counts[BYTES_IN] += exchange.bytes_in
    counts[BYTES_OUT] += exchange.bytes_out
    kind = exchange.route.kind
    core.metrics.count_request(KINDS.get(kind, "other"), exchange.status, int(elapsed * 1e6))
    if exchange.code:
        core.metrics.count_refusal(exchange.code)
    if elapsed >= core.slowness.seconds:
        core.slowness.look(exchange, elapsed)
    row = None
    if kind in PARTLY_LOGGED and not is_logged(exchange):
        pass
    elif exchange.status >= 400 and is_abusable(exchange):
        make = partial(row_of, exchange, elapsed)
        core.log.append_some(exchange.who.address, exchange.status, exchange.code, make)
    else:
        row = row_of(exchange, elapsed)
        core.log.append(row)
    if core.calls.marks:
        core.calls.end(exchange, row)


def is_logged(exchange: "Exchange") -> bool:
    """Elsewhere: what this process itself refuses, but the probes, and the API's webhooks."""
    if exchange.route.kind in PROBES:
        return False
    refused = bool(exchange.code) and exchange.framing is Framing.NONE
    return refused or exchange.head.path.startswith(b"/api/v1/")


def will_be_logged(exchange: "Exchange") -> bool:
    """Of one that runs: has it begun, and will its end leave a row?"""
    if exchange.route.kind in PARTLY_LOGGED:
        return exchange.head.path.startswith(b"/api/v1/")
    return exchange.verdict is not None and exchange.verdict.ok


def is_abusable(exchange: "Exchange") -> bool:
    """A refusal that anybody can have as often as he likes? Not of a proven key or ADMIN_TOKEN, nor
    what is our own fault."""
    if exchange.status >= 500 and exchange.code != "overloaded":
        return False
    verdict = exchange.verdict
    if verdict is None:
        return True
    return verdict.key_id is None and (not verdict.ok or verdict.actor == ANONYMOUS)


def note_use(exchange: "Exchange") -> None:
    """A key that was refused, by the gate or by Django's half of it, was not used."""
    verdict = exchange.verdict
    if verdict is None or not verdict.ok or verdict.key_id is None:
        return
    if exchange.target is not None or exchange.status not in DENIED:
        exchange.core.log.used(verdict.key_id, exchange.at)


def settle(exchange: Facts) -> None:
    """At the end, or just before the last bytes of an answer leave: slots are free again, and what
    came to nothing costs nothing. Who has his answer may ask again at once, at another door too."""
    if exchange.settled:
        return
    exchange.settled = True
    attempts.end(exchange)
    verdict, door = exchange.verdict, exchange.core.door
    if verdict is None:
        return
    free = is_free(exchange, exchange.status)
    if verdict.entry is not None:
        door.entrance.leave(verdict.entry, back=free)
    if verdict.charges:
        give_back(exchange, verdict.charges, free=free)


def give_back(exchange: Facts, charges: tuple[Charge, ...], *, free: bool) -> None:
    """All of what came to nothing; of budgets, what the call did not use, whoever ended it. What it
    used beyond is counted."""
    if not free:
        if exchange.metering is None:
            return
        figures = exchange.metering.close(exchange, free=False)
        charges = unspent(charges, figures.tokens, figures.cost)
    if charges:
        exchange.core.door.keeper.give_back(charges)


def is_free(exchange: Facts, status: int) -> bool:
    """Answered so, does it come to nothing?"""
    return exchange.free or not (exchange.sent or 200 <= status < 300)


def limit_fields(exchange: "Exchange", verdict: Verdict, status: int) -> Fields:
    """For an answer of our own: what is left once that went back which goes back with it."""
    now, limits = verdict.at or exchange.core.now(), verdict.limits
    if is_free(exchange, status):
        limits = returned(limits, verdict.entry, verdict.charges)
    return limit_headers(limits, now) + legacy_headers(limits, now)


def row_of(exchange: "Exchange", elapsed: float, figures: Figures | None = None) -> LogRow:
    verdict, target = exchange.verdict, exchange.target
    method, path, upstream, agent = exchange.texts or texts_of(exchange)
    began, started = exchange.first_byte, exchange.started
    if figures is None:
        figures = UNTOLD
        if exchange.metering is not None:
            figures = exchange.metering.close(exchange, free=is_free(exchange, exchange.status))
    model, tokens_in, tokens_out, cached, reasoning, cost, source = figures
    values = (
        exchange.at, exchange.id, method, path, exchange.status,
        verdict.key_id if verdict is not None else None,
        verdict.member_id if verdict is not None else None,
        upstream,
        target.name if target is not None else "",
        without_keys(exchange.operation[:OPERATION_LENGTH]),
        model, exchange.code,
        without_keys(exchange.detail[:ERROR_DETAIL_LENGTH]),
        None if began is None else (began - started) * 1000,
        elapsed * 1000, exchange.bytes_in, exchange.bytes_out,
        tokens_in, tokens_out, cached, reasoning, cost, source, exchange.who.address, agent,
    )  # fmt: skip
    return tuple.__new__(LogRow, values)  # its own constructor takes twice as long


def row_of_open(exchange: "Exchange", elapsed: float) -> LogRow:
    """What is to be said of it if its process is killed now. How long it will last nobody knows."""
    figures = UNTOLD
    if exchange.metering is not None:
        figures = exchange.metering.so_far(exchange)
    return row_of(exchange, elapsed, figures)._replace(
        status=exchange.status or CODES[DIED].status,
        code=DIED,
        error_detail=f"Its process was killed. The figures are of {elapsed:.1f} s after it began.",
        total_ms=None,
        usage_source=ABORTED,
    )


def texts_of(exchange: "Exchange") -> Texts:
    head = exchange.head
    return (
        METHODS[head.method],
        without_keys(head.path[:PATH_LENGTH].decode("latin-1")),
        exchange.route.slug.decode(),
        user_agent(exchange),
    )


def user_agent(exchange: "Exchange") -> str:
    for name, value in exchange.head.headers:
        if name == b"user-agent":
            return without_keys(value[:USER_AGENT_LENGTH].decode("latin-1"))
    return ""
