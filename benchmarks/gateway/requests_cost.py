"""CPU and rate of plain requests: a small GET, and a POST as the OpenAI SDK sends it."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import psycopg
from arena import DIRECT, Account, Arena, Cost, Run, Side, in_turns, ratio, spread
from load import Load, Wrk
from nginx import AUTH, LUA, PLAIN
from others import LITELLM, PORTKEY, others
from sdk import sdk_request
from stage import median

CONNECTIONS: Final = 64
FAR_CONNECTIONS: Final = 16  # LiteLLM answers about 160 requests a second
FAR_SECONDS: Final = 4
FLUSH_SECONDS: Final = 0.4  # until the last log rows are written: they belong to the turn
OURS: Final = "momentry"
FLOORS: Final = (DIRECT, "uvloop splice")
NEAR: Final = (PLAIN, LUA, AUTH, OURS)
TWO: Final = "momentry, 2 workers"
AS_SDK: Final = "as the OpenAI SDK sends it"
LEAST: Final = {PORTKEY: 15.0, LITELLM: 100.0}


class Turn(NamedTuple):
    load: Load
    cost: Cost

    @property
    def each(self) -> float:
        """Microseconds of CPU of one request, everything counted."""
        return self.of(self.cost.total)

    def of(self, seconds: float) -> float:
        return seconds / max(1, self.load.requests) * 1e6


Turns = Mapping[str, list[Turn]]


def near(arena: Arena, run: Run) -> None:
    """momentry beside nginx in its kinds."""
    before, answered = rows(arena), [0]
    post = sdk_request("/proxy/answers/v1", arena.key)
    get = "GET with minimal headers", arena.get("/proxy/answers/x"), (*FLOORS, *NEAR, TWO)
    for title, request, names in (get, (f"POST {AS_SDK}, {len(post)} bytes", post, NEAR)):
        print(f"\n{title}; answer of 0.9 KB; {CONNECTIONS} connections")
        wrk = Wrk(arena.at.directory, [request])

        def turn(side: Side, seconds: int, wrk: Wrk = wrk) -> Turn:
            made = one(arena, CONNECTIONS, wrk, side, seconds)
            answered[0] += made.load.requests if side.with_engines else 0
            return made

        found = in_turns(arena.of(*names), run, turn)
        table(found)
        against_nginx(found, run)
    logged = (rows(arena) - before) / answered[0]
    run.bounds.check("rows in momentry's log for each answer", logged, least=1)


def rows(arena: Arena) -> int:
    with psycopg.connect(arena.at.database_url) as connection:
        row = connection.execute("SELECT count(*) FROM apikeys_requestlog").fetchone()
    return int(row[0]) if row else 0


def one(arena: Arena, connections: int, wrk: Wrk, side: Side, seconds: int) -> Turn:
    account = Account(arena.at, side)
    load = wrk.run(side.port, seconds, connections=connections)
    if load.refused:
        raise SystemExit(f"{side.name}: {load.refused} refusals")
    time.sleep(FLUSH_SECONDS)
    return Turn(load, account.cost())


def table(found: Turns) -> None:
    print(
        f"  {'medians (least-most)':22} CPU µs: all             server  PostgreSQL  Valkey   req/s"
    )
    for name, turns in found.items():
        server, postgres, valkey = (
            median([turn.of(turn.cost[place]) for turn in turns]) for place in range(3)
        )
        rate = median([turn.load.rate for turn in turns])
        each = spread([turn.each for turn in turns])
        print(f"  {name:22} {each:22} {server:7.1f} {postgres:11.1f} {valkey:7.1f} {rate:7.0f}")


def against_nginx(found: Turns, run: Run) -> None:
    if LUA in found:
        each = ratio(*([turn.each for turn in found[name]] for name in (OURS, LUA)))
        run.bounds.check("CPU per request, momentry / nginx + Lua", each, most=2.5)
    else:
        print("  CPU per request, momentry / nginx + Lua: NOT MEASURED, nginx has no Lua here")
    rate = rates(found, AUTH)
    run.bounds.check("requests/s, momentry / nginx auth_request", rate, least=0.75)


def rates(found: Turns, other: str) -> float:
    """Of momentry, over those of the other."""
    return ratio(*([turn.load.rate for turn in found[name]] for name in (OURS, other)))


def far(arena: Arena, run: Run, names: list[str], kept: Path) -> None:
    """momentry beside the gateways of another league."""
    print(f"\nPOST {AS_SDK}, gateways of another league; {FAR_CONNECTIONS} connections")
    with others(arena, names, kept) as there:
        raw = {OURS: sdk_request("/proxy/answers/v1", arena.key)}
        raw |= {other.side.name: other.request for other in there}
        wrks = {name: Wrk(arena.at.directory, [request]) for name, request in raw.items()}
        sides = [arena.sides[OURS], *(other.side for other in there)]

        def turn(side: Side, seconds: int) -> Turn:
            return one(arena, FAR_CONNECTIONS, wrks[side.name], side, seconds)

        found = in_turns(sides, run._replace(seconds=max(run.seconds, FAR_SECONDS)), turn)
    table(found)
    for name, least in LEAST.items():
        label = f"requests/s, momentry / {name}"
        if name in found:
            run.bounds.check(label, rates(found, name), least=least)
        else:
            print(f"  {label}: NOT MEASURED")
