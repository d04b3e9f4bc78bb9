"""Runs a command on the system's own PostgreSQL and Redis or Valkey, started for it:

python3 -m tests.on_system_engines python3 manage.py test --only pytest
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from momentry.supervisor import binaries
from momentry.supervisor.engines import start_throwaway


def no_wheel(_package: str) -> list[Path]:
    return []


def main() -> int:
    setattr(binaries, "wheel", no_wheel)  # noqa: B010  as on a machine without the wheels
    with tempfile.TemporaryDirectory(prefix="momentry-system-") as scratch:
        engines = start_throwaway(Path(scratch) / "engines")
        try:
            given = {"DATABASE_URL": engines.database_url, "REDIS_URL": engines.redis_url}
            print(
                f"on {binaries.find_postgres().postgres} and {binaries.find_valkey()}", flush=True
            )
            return subprocess.run(sys.argv[1:], env=os.environ | given, check=False).returncode
        finally:
            engines.stop()


if __name__ == "__main__":
    sys.exit(main())
