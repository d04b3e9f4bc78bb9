"""What judging a key costs, and that a full table changes nothing. One command:

    .venv/bin/python benchmarks/gate.py

Starts a private PostgreSQL, makes a database with 100 keys and a copy with 100,000, and prints what
it measured beside its bound. gate_pure.py drives the pure parts with replies that a real judgement
got; gate_cold.py reads snapshots, each time another key's, in turns on both.
"""

import argparse
import sys
from importlib import import_module

from stage import Bounds, stage

FEW, MANY = 100, 100_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=MANY, help="rows of the full table")
    given = parser.parse_args()
    bounds = Bounds()
    with stage() as at:
        # Both import models, which they may only from here on.
        import_module("gate_pure").measure(bounds)
        import_module("gate_cold").measure(at.database_url, FEW, given.keys, bounds)
    return bounds.code


if __name__ == "__main__":
    sys.exit(main())
