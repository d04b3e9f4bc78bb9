"""How the gateway's parent becomes its next image: what it hands over, and the check before."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Final

from momentry.common.env import ConfigurationError
from proxy.gateway.metrics import LAYOUT

VARIABLE: Final = "MOMENTRY_GATEWAY_HANDOVER"
FORMAT: Final = 1
CHECK: Final = "--check"
CHECK_SECONDS: Final = 30.0
NEVER: Final = float("inf")


@dataclass(slots=True)
class Process:
    """One that serves, as the parent knows it. ``sockets`` are the numbers of those it accepts
    from, ``place`` is that of its figures, times are monotonic(), which outlives an image."""

    pid: int
    place: int
    sockets: tuple[int, ...]
    drain: float
    kill_at: float = NEVER  # it was asked to end, and has until then
    started: float = 0.0
    pipe: int = -1  # where it says how far it is
    said: str = ""  # why it is not ready
    serves: bool = True  # or will at once: what waits in its sockets is its to answer
    reported: bool = True  # it accepts
    ready_by: float = NEVER

    @property
    def stays(self) -> bool:
        return self.kill_at == NEVER

    @property
    def comes(self) -> bool:
        return not self.serves and self.stays


@dataclass(frozen=True, slots=True)
class Handover:
    """``sockets`` and ``figures`` are descriptors; ``figures`` is -1 where the layout differs."""

    sockets: tuple[int, ...] = ()
    figures: int = -1
    processes: tuple[Process, ...] = ()

    def encode(self) -> str:
        processes = [
            [p.pid, p.place, p.sockets, p.drain, None if p.stays else p.kill_at]
            for p in self.processes
        ]
        told = {"format": FORMAT, "sockets": self.sockets, "figures": self.figures}
        return json.dumps(told | {"layout": LAYOUT, "processes": processes})


def decode(text: str) -> Handover:
    """Raises ConfigurationError where another version's parent cannot be followed."""
    told = json.loads(text)
    if told.get("format") != FORMAT:
        raise ConfigurationError(
            VARIABLE, "was written by a version that this one cannot follow: stop and start."
        )
    processes = tuple(
        Process(pid, place, tuple(sockets), drain, NEVER if kill_at is None else kill_at)
        for pid, place, sockets, drain, kill_at in told["processes"]
    )
    figures = told["figures"] if told["layout"] == LAYOUT else -1
    return Handover(tuple(told["sockets"]), figures, processes)


def command() -> list[str]:
    """That of this process, so that a new version at the same place is found."""
    return [sys.executable, *sys.orig_argv[1:]]


def become(handover: Handover) -> None:
    """Returns only where it fails, with an OSError."""
    descriptors = [*handover.sockets, *({handover.figures} - {-1})]
    for descriptor in descriptors:
        os.set_inheritable(descriptor, True)
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execve(sys.executable, command(), surroundings(handover))
    finally:
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)


def surroundings(handover: Handover) -> Mapping[str, str]:
    return {**os.environ, VARIABLE: handover.encode()}


class Check:
    """A process that reads code, settings and secrets as the next image will, and ends."""

    def __init__(self, handover: Handover) -> None:
        self.process = subprocess.Popen(
            [*command(), CHECK],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=surroundings(handover),
        )
        self.until = monotonic() + CHECK_SECONDS

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        self.until = NEVER
        self.process.kill()

    def reason(self, code: int) -> str:
        """Why it cannot start; "" when it can. Called once, when it was reaped."""
        self.process.returncode = code
        if self.process.stderr is None:
            return ""
        with self.process.stderr as stderr:
            said = stderr.read().decode(errors="replace").strip().splitlines()
        if code == 0:
            return ""
        if self.until == NEVER:
            return f"it did not say within {CHECK_SECONDS:.0f} s whether it can start."
        return said[-1] if said else f"it ended with {code}."
