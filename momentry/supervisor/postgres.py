"""A private PostgreSQL on a unix socket: made once, started as our own child."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

from momentry.supervisor import accounts
from momentry.supervisor.binaries import PostgresBinaries, find_postgres
from momentry.supervisor.child import Child, Spec, launching
from momentry.supervisor.errors import CannotStartError
from momentry.supervisor.leftovers import clear_leftovers

NAME: Final = "momentry"  # of the database and of its owner

# Small: the figure to hold is the memory of the whole service, and its statements are short.
FRUGAL: Final = {
    "listen_addresses": "",
    "shared_buffers": "32MB",
    "jit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
    "autovacuum_max_workers": "1",
    "max_worker_processes": "2",
    "max_parallel_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "max_logical_replication_workers": "0",
    # A failed statement is logged without its values: they are people's names and addresses.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
CARELESS: Final = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True, slots=True)
class Options:
    password: str = field(repr=False)
    connections: int = 60
    durable: bool = True  # without: for tests, gone after a power cut
    # Besides the server's own.
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


class Postgres:
    """``directory`` is the cluster; ``sockets`` a short path; both belong to us alone."""

    def __init__(self, directory: Path, sockets: Path, log: Path, options: Options) -> None:
        self.directory = directory
        self.sockets = sockets
        self.log = log
        self.options = options
        self.binaries = find_postgres(self.major())
        self.account = accounts.choose_account(directory, self.binaries.postgres)
        self.child = Child(self.spec())

    @property
    def url(self) -> str:
        host = quote(str(self.sockets), safe="/")
        return f"postgresql://{NAME}:{quote(self.options.password)}@/{NAME}?host={host}"

    def major(self) -> int | None:
        """The version that made the cluster; None when there is none yet."""
        try:
            return int((self.directory / "PG_VERSION").read_text(encoding="ascii").strip())
        except (OSError, ValueError):
            return None

    def spec(self) -> Spec:
        settings = {
            **FRUGAL,
            **({} if self.options.durable else CARELESS),
            **({"io_method": "sync"} if self.binaries.major >= 18 else {}),  # no I/O processes
            "unix_socket_directories": str(self.sockets),
            "max_connections": str(self.options.connections),
        }
        pairs = [part for item in settings.items() for part in ("-c", "=".join(item))]
        return Spec(
            "postgres",
            (str(self.binaries.postgres), "-D", str(self.directory), *pairs),
            self.log,
            {**environment(), **self.options.environment},
            account=self.account,
            stop=signal.SIGINT,  # fast shutdown
            death=signal.SIGINT,
        )

    def start(self) -> None:
        """Make the cluster when there is none, then start it. Raises CannotStartError."""
        if self.major() is None:
            create(self.directory, self.binaries, self.account, self.options)
        stale = (self.directory / "postmaster.pid", *self.sockets.glob(".s.PGSQL.*"))
        clear_leftovers(self.directory, stale)
        accounts.give(self.directory, self.account)
        accounts.give(self.sockets, self.account)
        self.child.start()

    def ready(self) -> bool:
        """The eighth line of postmaster.pid is the state, as pg_ctl reads it."""
        try:
            lines = (self.directory / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return False
        return len(lines) > 7 and int(lines[0]) == self.child.pid and lines[7].strip() == "ready"


def environment() -> dict[str, str]:
    """Nothing of PGDATA, PGOPTIONS or a locale that this machine may lack."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def create(directory: Path, binaries: PostgresBinaries, account: str, options: Options) -> None:
    """initdb beside its place and move it there last, so an interrupted one is simply redone."""
    draft = directory.with_name(f"{directory.name}.new")
    secret = directory.with_name(f"{directory.name}.new.password")
    shutil.rmtree(draft, ignore_errors=True)
    if directory.exists() and not any(directory.iterdir()):
        directory.rmdir()
    draft.mkdir(mode=0o700, parents=True)
    try:
        secret.touch(mode=0o600)
        secret.write_text(options.password, encoding="ascii")
        accounts.give(draft, account)
        accounts.give(secret, account)
        run([binaries.initdb, *flags(binaries, draft, secret, options)], account)
        single: list[str | Path] = ["--single", "-D", draft, "-c", "exit_on_error=true"]
        fast = ["-c", "fsync=off"] if not options.durable else []
        run([binaries.postgres, *single, *fast, "postgres"], account, f"CREATE DATABASE {NAME};\n")
    finally:
        secret.unlink(missing_ok=True)
    draft.rename(directory)


def flags(
    binaries: PostgresBinaries, draft: Path, secret: Path, options: Options
) -> list[str | Path]:
    if binaries.major >= 17:
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    else:
        locale = ["--locale=C.UTF-8" if os.uname().sysname == "Linux" else "--locale=C"]
    sync = [] if options.durable else ["--no-sync"]
    trust = ["--auth=scram-sha-256", f"--pwfile={secret}"]
    return ["-D", draft, "-U", NAME, *trust, "-E", "UTF8", *locale, "--no-instructions", *sync]


def run(command: list[str | Path], account: str, text: str = "") -> None:
    """Raises CannotStartError with the program's last line."""
    answer = subprocess.run(
        launching(command, account),
        input=text,
        capture_output=True,
        text=True,
        errors="replace",
        env=environment(),
        start_new_session=True,  # Ctrl-C is for us; this ends by itself in a moment
        check=False,
    )
    if answer.returncode != 0:
        said = [line for line in (answer.stderr + answer.stdout).splitlines() if line.strip()]
        plain = said[-1] if said else "it gave no reason"
        reason = next((line for line in said if "error:" in line or "FATAL" in line), plain)
        raise CannotStartError(
            f"PostgreSQL's files could not be made: {reason.strip()} "
            "(set DATABASE_URL to use a server of your own)."
        )
