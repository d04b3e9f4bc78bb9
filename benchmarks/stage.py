"""The stage of the benchmarks: throw-away engines, a gateway, and what each process spends."""

import base64
import contextlib
import os
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import django as framework
from django.core.management import call_command

from momentry.supervisor.engines import start_throwaway
from tests.gateway.processes import Gateway, environment

ROOT: Final = Path(__file__).resolve().parent.parent
START_SECONDS: Final = 20.0
STOP_SECONDS: Final = 15.0
TICKS: Final = os.sysconf("SC_CLK_TCK")
CORES: Final = sorted(os.sched_getaffinity(0))
MEASURED: Final = {CORES[0]}
OTHERS: Final = set(CORES[1:]) or MEASURED


@dataclass(frozen=True)
class Stage:
    directory: Path
    database_url: str
    redis_url: str


@contextlib.contextmanager
def stage(*, pinned: bool = False) -> Iterator[Stage]:
    """Engines of our own and a migrated database; models may be imported from here on.

    ``pinned`` leaves the measured core to the servers that are put there.
    """
    if pinned:
        os.sched_setaffinity(0, OTHERS)  # what is started from here inherits it
    os.chdir(ROOT)  # the gateway is started as a module
    directory = Path(tempfile.mkdtemp(prefix="momentry-bench-"))
    try:
        engines = start_throwaway(directory)
        try:
            set_up(engines.database_url, engines.redis_url)
            yield Stage(directory, engines.database_url, engines.redis_url)
        finally:
            engines.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def set_up(database_url: str, redis_url: str) -> None:
    def key() -> str:
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()

    os.environ.update(
        DJANGO_SETTINGS_MODULE="momentry.settings",
        MOMENTRY_ENV="development",
        DATABASE_URL=database_url,
        REDIS_URL=redis_url,
        SECRET_KEY=key(),
        ENCRYPTION_KEY=key(),
        API_KEY_PEPPERS=f"1:{key()}",
        ADMIN_TOKEN=key(),
        LOG_LEVEL="ERROR",
    )
    framework.setup()
    call_command("migrate", interactive=False, verbosity=0)


@contextlib.contextmanager
def gateway(at: Stage, given: Mapping[str, str] = {}, *, workers: int = 1) -> Iterator[Gateway]:
    """A gateway that serves; ``given`` is of its environment."""
    values = {"DATABASE_URL": at.database_url, "DJANGO_SOCKET": str(at.directory / "none.sock")}
    made = Gateway(environment(**{**values, **given}), workers)
    try:
        made.wait_until_listening()
        while not serves(made):
            time.sleep(0.05)
        yield made
    finally:
        made.close_wires()
        made.stop()


def pin(pids: Iterable[int]) -> None:
    """To the measured core, with all their threads."""
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), MEASURED)


def serves(made: Gateway) -> bool:
    """Has it read its tables? Readiness also asks for Django, which most of these do not start."""
    answer = made.get("/proxy/echo/", "no key")
    return answer.status == 401


@contextlib.contextmanager
def beside(
    command: Sequence[str | Path], port: int, patience: float = START_SECONDS
) -> Iterator[int]:
    """A process beside (its id), once it listens on this port; what it says is thrown away."""
    null = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=ROOT, stdout=null, stderr=null)
    try:
        end = time.monotonic() + patience
        while not is_open(port):
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"{command[1]} {command[2]} did not start")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def echo() -> Iterator[int]:
    """The echo upstream's port."""
    port = free_port()
    with beside([sys.executable, "manage.py", "echo", "--port", str(port)], port):
        yield port


@contextlib.contextmanager
def django() -> Iterator[int]:
    """Django's port, as `up` starts it but on TCP."""
    port = free_port()
    command = [sys.executable, "manage.py", "serve", "--socket", f"127.0.0.1:{port}"]
    with beside(command, port):
        yield port


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as trial:
        return int(trial.getsockname()[1])


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


class Spent(NamedTuple):
    """CPU seconds of processes, by the kernel's account."""

    server: float
    postgres: float
    valkey: float


class Meter:
    """What a server's processes, PostgreSQL and Valkey spend between two looks."""

    def __init__(self, at: Stage, server: Iterable[int]) -> None:
        self.server = list(server)
        self.postgres = [int((at.directory / "postgres/postmaster.pid").read_text().split()[0])]
        self.valkey = [pid for pid in children(os.getpid()) if "valkey" in name_of(pid)]
        self.before = self.look()

    def look(self) -> Spent:
        return Spent(cpu(self.server), cpu(self.postgres), cpu(self.valkey))

    def spent(self) -> Spent:
        now = self.look()
        return Spent(*(after - before for after, before in zip(now, self.before, strict=True)))


def cpu(pids: Iterable[int]) -> float:
    """Seconds of these, of their living children and of those that ended."""
    total = 0.0
    for pid in pids:
        fields = stat(pid)
        total += sum(int(field) for field in fields[11:15]) / TICKS if fields else 0.0
        total += cpu(children(pid))
    return total


def busy() -> float:
    """CPU seconds that the whole machine has worked: (user, nice, system, irq, softirq, steal)."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    return sum(int(field) for place, field in enumerate(fields) if place not in {3, 4}) / TICKS


def stat(pid: int) -> list[str]:
    """From the third field on; [] when it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""


def children(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(word) for word in path.read_text().split()]
    return found


def median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else float("nan")


class Bounds:
    """Prints figures beside their bounds; the exit code says whether all held."""

    def __init__(self) -> None:
        self.failed = False

    def check(self, name: str, value: float, *, least: float = 0, most: float = 0) -> None:
        """With ``least`` or ``most`` a bound; without, a figure alone."""
        text = f"  {name:72} {value:10.2f}"
        if least or most:
            holds = value >= least if least else value <= most
            self.failed = self.failed or not holds
            limit = f"at least {least:g}" if least else f"at most {most:g}"
            text += f"   {limit}: {'holds' if holds else 'FAILS'}"
        print(text, flush=True)

    @property
    def code(self) -> int:
        return int(self.failed)
