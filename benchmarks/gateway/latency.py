"""Waiting: what a gateway adds to one request alone, and the tail at half load."""

from typing import Final

from arena import DIRECT, Arena, Run, Side, in_turns, spread
from load import Load, Wrk
from nginx import PLAIN
from stage import median

OURS: Final = "momentry"
CONNECTIONS: Final = 32
REACHED: Final = 0.95  # of the rate: below it client or server could not


def alone(arena: Arena, run: Run) -> None:
    """One connection, one request after the other."""
    print("\none connection, milliseconds of a GET, medians")
    wrk = Wrk(arena.at.directory, [arena.get("/proxy/answers/x")])

    def one(side: Side, seconds: int) -> float:
        return wrk.run(side.port, seconds, connections=1).p50

    found = in_turns(arena.of(DIRECT, PLAIN, OURS), run, one)
    for name, values in found.items():
        print(f"  {name:22} {median(values):7.3f} ({min(values):.3f}-{max(values):.3f})")
    direct = found[DIRECT]
    for name in (PLAIN, OURS):
        added = median([with_it - base for with_it, base in zip(found[name], direct, strict=True)])
        most = 0.25 if name == OURS else 0
        run.bounds.check(f"milliseconds that {name} adds", added, most=most)


def half_load(arena: Arena, run: Run) -> None:
    """Both at half of what the slower one, momentry, can."""
    wrk = Wrk(arena.at.directory, [arena.get("/proxy/answers/x")])
    ours = arena.sides[OURS]
    rate = wrk.run(ours.port, run.seconds, connections=CONNECTIONS).rate / 2
    print(f"\nhalf load: {rate:.0f}/s over {CONNECTIONS} connections, p99 in milliseconds")

    def one(side: Side, seconds: int) -> Load:
        load = wrk.run(side.port, seconds, connections=CONNECTIONS, rate=rate)
        if load.rate < REACHED * rate:
            print(f"  {side.name}: only {load.rate:.0f}/s in a turn")
        return load

    found = in_turns(arena.of(DIRECT, PLAIN, OURS), run, one)
    tails = {name: [load.p99 for load in loads] for name, loads in found.items()}
    for name, values in tails.items():
        middle = median([load.p50 for load in found[name]])
        print(f"  {name:22} p99 {spread(values)}   p50 {middle:.3f}")
    pairs = zip(tails[OURS], tails[PLAIN], strict=True)
    over = median([p99 - 2 * base for p99, base in pairs])
    run.bounds.check("milliseconds of momentry's p99 over twice nginx's", over, most=1)
