"""The gateway beside its peers: nginx in three kinds, LiteLLM and Portkey, in one run.

    .venv/bin/python benchmarks/gateway/run.py

Each server has one core to itself in its turn; load, upstreams, PostgreSQL and Valkey are on the
others, and what PostgreSQL and Valkey spend counts as momentry's. Needs wrk and nginx, with Lua if
it can; LiteLLM and Portkey go into a temporary directory (--venv keeps it, --without leaves them
out).
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import bulk
import companions
import latency
import requests_cost
import streams
from arena import Arena, Run, arena
from load import demand_wrk
from nginx import program, version
from others import MAKERS
from stage import CORES, MEASURED, Bounds, busy, cpu, stage

SECTIONS: Final[dict[str, Callable[[Arena, Run], None]]] = {
    "requests": requests_cost.near,
    "chunks": streams.chunks,
    "alone": latency.alone,
    "half": latency.half_load,
    "bulk": bulk.run_both,
    "silent": streams.silent,
    "export": companions.beside_export,
    "two": companions.two_processes,
}
OTHERS: Final = "others"


def main() -> int:
    given = arguments()
    demand_wrk()
    program()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started ends
    began, ours, all_work = time.monotonic(), cpu([os.getpid()]), busy()
    run = Run(given.turns, given.seconds, Bounds())
    names = [name for name in MAKERS if name.lower() not in given.without]
    with stage(pinned=True) as at, arena(at) as made:
        cores = f"core {min(MEASURED)} of {len(CORES)} is the measured server's"
        print(f"nginx {version()}; {cores}; the engines' core is another, their CPU counts")
        for name, why in made.missing.items():
            print(f"{name} IS MISSING in what follows: {why}")
        for name, section in SECTIONS.items():
            if given.only in {None, name}:
                section(made, run)
        if names and given.only in {None, OTHERS}:
            requests_cost.far(made, run, names, given.venv or at.directory / "venv")
    seconds = time.monotonic() - began
    foreign = (busy() - all_work - cpu([os.getpid()]) + ours) / seconds
    print(
        f"\n{seconds:.0f} seconds; other work kept {max(0, foreign):.1f} of {len(CORES)} cores busy"
    )
    return run.bounds.code


def peers(text: str) -> list[str]:
    """Raises ArgumentTypeError for one that is none."""
    names, known = text.lower().split(","), [name.lower() for name in MAKERS]
    if unknown := set(names) - set(known):
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: known are {', '.join(known)}")
    return names


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3, help="of each server, after a warm-up")
    parser.add_argument("--seconds", type=int, default=2, help="of load in a turn")
    parser.add_argument("--only", choices=[*SECTIONS, OTHERS], help="this part alone")
    parser.add_argument("--without", default=[], type=peers, help="litellm,portkey: not these")
    parser.add_argument("--venv", type=Path, help="keep LiteLLM's and Portkey's packages here")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
