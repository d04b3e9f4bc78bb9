"""In company: a gateway beside a Django that exports, and two processes of a gateway."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from typing import Final

import psycopg
from arena import DIRECT, Arena, Run, Side, in_turns, ratio, spread
from load import Wrk
from neighbour import busy_django
from stage import CORES, OTHERS, Stage, children, django, gateway

CONNECTIONS: Final = 64
RATE: Final = 500.0
RATE_CONNECTIONS: Final = 4
EXPORTED: Final = 10_000
EXPORT: Final = "/api/v1/admin/keys/export?format=csv&key_type=service"
FILL: Final = """
INSERT INTO apikeys_apikey (id, name, description, key_type, service_name, role, scopes, key_prefix,
                            metadata, version, created_at, allowed_networks)
SELECT gen_random_uuid(), 'bulk-' || n, '', 'service', 'benchmark', 'metrics', '{proxy:use}',
       'msvc_00000000…****', '{}', 1, now(), '{192.0.2.0/24}'
  FROM generate_series(1, %s) n
"""


def beside_export(arena: Arena, run: Run) -> None:
    """Gateway, Django and PostgreSQL on any core, as `up` starts them: the scheduler shares them
    out. Load and upstream would be on other machines: they wait for nobody here."""
    print(f"\n{RATE:.0f}/s beside exports of {EXPORTED} keys without end, p99 in milliseconds")
    with psycopg.connect(arena.at.database_url, autocommit=True) as connection:
        connection.execute(FILL, (EXPORTED,))
        connection.execute("ANALYZE")  # as autovacuum does within a minute
    wrk = Wrk(arena.at.directory, [arena.get("/proxy/answers/x")])
    token = {"Authorization": f"Bearer {os.environ['ADMIN_TOKEN']}"}
    found: dict[str, list[float]] = {"alone": [], "beside": []}
    with on_any_core() as stack:
        stack.enter_context(everywhere(arena.at))
        stack.enter_context(hurried(arena.sides[DIRECT].pid))
        port = stack.enter_context(django())
        ours = stack.enter_context(gateway(arena.at, {"DJANGO_SOCKET": f"127.0.0.1:{port}"}))
        os.sched_setaffinity(0, OTHERS)
        for number in range(run.turns + 1):
            for name, tails in found.items():
                export = busy_django(f"127.0.0.1:{ours.port}", EXPORT, token)
                with export if name == "beside" else contextlib.nullcontext(), hurried():
                    load = wrk.run(ours.port, run.seconds, connections=RATE_CONNECTIONS, rate=RATE)
                if number:
                    tails.append(load.p99)
    for name, tails in found.items():
        print(f"  {name:22} p99 {spread(tails)}")
    run.bounds.check("p99 beside an export / alone", ratio(found["beside"], found["alone"]), most=2)


def two_processes(arena: Arena, run: Run) -> None:
    """Each process on a core of its own, everything else on the rest."""
    print("\ntwo processes of a gateway against one")
    if len(CORES) < 3:
        print(f"  NOT MEASURED: three cores are needed, there are {len(CORES)}")
        return
    wrk = Wrk(arena.at.directory, [arena.get("/proxy/answers/x")])
    one, two = arena.of("momentry", "momentry, 2 workers")
    for core, worker in zip(CORES, children(two.pid), strict=False):
        os.sched_setaffinity(worker, {core})
    os.sched_setaffinity(0, CORES[2:])  # wrk inherits it

    def rate(side: Side, seconds: int) -> float:
        return wrk.run(side.port, seconds, connections=CONNECTIONS).rate

    rates = in_turns((one, two), run, rate)
    os.sched_setaffinity(0, OTHERS)
    print(f"  one {spread(rates[one.name])}/s   two {spread(rates[two.name])}/s")
    found = ratio(rates[two.name], rates[one.name])
    run.bounds.check("requests/s, two processes / one", found, least=1.7)


@contextlib.contextmanager
def hurried(pid: int = 0) -> Iterator[None]:
    """A process with its children, else this thread and what it starts meanwhile: they run as soon
    as they can (sched(7)). Little as they do, nothing else would be sure of that."""
    every = [pid, *(children(pid) if pid else [])]
    try:
        for each in every:
            os.sched_setscheduler(each, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        print("  (load and upstream compete for the cores too: to prefer them takes root)")
    try:
        yield
    finally:
        for each in every:
            os.sched_setscheduler(each, os.SCHED_OTHER, os.sched_param(0))


@contextlib.contextmanager
def everywhere(at: Stage) -> Iterator[None]:
    """PostgreSQL, and what it starts meanwhile."""
    first = int((at.directory / "postgres/postmaster.pid").read_text().split()[0])
    move([first, *children(first)], CORES)
    try:
        yield
    finally:
        move([first, *children(first)], OTHERS)


def move(pids: Iterable[int], cores: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
            os.sched_setaffinity(pid, cores)


@contextlib.contextmanager
def on_any_core() -> Iterator[contextlib.ExitStack]:
    """What is started from here may run everywhere."""
    with contextlib.ExitStack() as stack:
        os.sched_setaffinity(0, CORES)
        try:
            yield stack
        finally:
            os.sched_setaffinity(0, OTHERS)
