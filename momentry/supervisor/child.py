"""One child process: its own session and log, dies with us, stops with its whole group."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

LAUNCHER: Final = Path(__file__).with_name("launch.py")
POLL_SECONDS: Final = 0.01


@dataclass(frozen=True, slots=True)
class Spec:
    """How a child is run. ``death`` reaches it when we are killed, ``stop`` asks it to end.

    It has ``grace`` seconds for that; then its group is killed. ``nice`` as in nice(1).
    """

    name: str
    command: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    directory: Path | None = None
    account: str = "-"
    stop: signal.Signals = signal.SIGTERM
    death: signal.Signals = signal.SIGKILL
    grace: float = 10.0
    nice: int = 0


def launching(
    command: Iterable[str | Path],
    account: str = "-",
    death: signal.Signals = signal.SIGKILL,
    nice: int = 0,
) -> list[str]:
    """The command line that runs ``command`` under launch.py as a child of this process.

    The death signal is tied to the thread that forks: start children from the main thread.
    """
    numbers = (os.getpid(), int(death), nice)
    launcher = [sys.executable, "-I", "-S", str(LAUNCHER), *map(str, numbers), account]
    return [*launcher, *map(str, command)]


class Child:
    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0

    def start(self, output: IO[bytes] | None = None) -> None:
        """Start it; its words go to the log, standard output to ``output`` when given."""
        spec = self.spec
        with spec.log.open("ab") as log:
            self.process = subprocess.Popen(
                launching(spec.command, spec.account, spec.death, spec.nice),
                stdin=subprocess.DEVNULL,
                stdout=output or log,
                stderr=log,
                env=dict(spec.environment),
                cwd=spec.directory,
                start_new_session=True,
            )
        self.started_at = time.monotonic()

    def code(self) -> int | None:
        """Its exit code, None while it runs. What it left behind in its group is killed."""
        if self.process is None:
            return 0
        code = self.process.poll()
        if code is not None:
            self.kill()
        return code

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        if self.process is not None and self.alive():
            self.process.send_signal(number)

    def ask_to_stop(self) -> None:
        self.send(self.spec.stop)

    def kill(self) -> None:
        if self.process is not None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass  # the group is empty; macOS says EPERM of one that holds only a zombie
            else:
                self.process.wait()

    def last_words(self, lines: int = 12) -> list[str]:
        try:
            with self.spec.log.open("rb") as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - 16_384))
                text = log.read().decode(errors="replace")
        except OSError:
            return []
        return readable(text.splitlines()[-lines:])


def readable(lines: Iterable[str]) -> list[str]:
    """Of a JSON log line what a person needs: the event and the end of its traceback."""
    found = []
    for line in filter(str.strip, lines):
        try:
            entry = json.loads(line)
            trace = str(entry.get("exception") or "").strip().splitlines()[-1:]
            found.append(": ".join([str(entry["event"]), *trace]))
        except (ValueError, KeyError, AttributeError):
            found.append(line)
    return found


def stop_together(
    children: Iterable[Child], hurry: Callable[[], bool] = lambda: False
) -> list[str]:
    """Stop them at the same time, each within its grace; names those that had to be killed.

    When ``hurry()`` turns true, nothing is waited for any more.
    """
    waiting = [child for child in children if child.process is not None]
    began = time.monotonic()
    killed = []
    for child in waiting:
        child.ask_to_stop()
    while waiting:
        for child in list(waiting):
            if child.code() is not None:
                waiting.remove(child)
            elif hurry() or time.monotonic() - began > child.spec.grace:
                child.kill()
                killed.append(child.name)
        time.sleep(POLL_SECONDS)
    return killed
