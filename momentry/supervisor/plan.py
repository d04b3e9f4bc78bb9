"""The children of `up`: what each runs, and the order in which they stop."""

import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from momentry.common.env import Environment
from momentry.supervisor.child import Child, Spec
from momentry.supervisor.notices import Notices
from momentry.supervisor.places import ROOT

# The gateway first, while all that it needs still stands; what does not need each other together.
STOP_ORDER: Final = (
    ("prepare",),
    ("gateway",),
    ("django", "relay", "worker", "echo"),
    ("valkey", "postgres"),
)
BACKGROUND: Final = 5  # what nobody waits for yields to the start and to requests


class Plan:
    """Makes the children; all share one environment, but for where they say how far they are."""

    def __init__(self, environment: Mapping[str, str], logs: Path) -> None:
        self.environment = environment
        self.logs = logs

    def speaking(self, notices: Notices) -> "Plan":
        return Plan({**self.environment, "NOTIFY_SOCKET": str(notices.path)}, self.logs)

    def child(self, name: str, *command: str, grace: float = 10.0, nice: int = 0) -> Child:
        spec = Spec(
            name,
            (sys.executable, *command),
            self.logs / f"{name}.log",
            self.environment,
            ROOT,
            stop=signal.SIGTERM,
            grace=grace,
            nice=nice,
        )
        return Child(spec)

    def manage(self, name: str, *arguments: str, grace: float = 10.0, nice: int = 0) -> Child:
        command = (str(ROOT / "manage.py"), *(arguments or (name,)))
        return self.child(name, *command, grace=grace, nice=nice)

    def prepare(self, seeds: Mapping[str, str]) -> Child:
        """It alone is given what it seeds, such as the first password."""
        return Plan({**self.environment, **seeds}, self.logs).manage("prepare")

    def echo(self, port: int) -> Child:
        return self.manage("echo", "echo", "--port", str(port))

    def gateway(self, workers: int) -> Child:
        drain = Environment(self.environment).number("DRAIN_SECONDS", 25, low=0, high=3600)
        return self.manage("gateway", "gateway", "--workers", str(workers), grace=drain + 5)

    def gateway_check(self, workers: int) -> Child:
        """Ends with 0 when a gateway could start."""
        return self.manage("check", "gateway", "--workers", str(workers), "--check")

    def django(self) -> Child:
        return self.manage("django", "serve")

    def background(self) -> list[Child]:
        return [self.manage(name, nice=BACKGROUND) for name in ("relay", "worker")]


def children_environment(given: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """What a person gave wins over what we add, but for the addresses of this very start."""
    defaults = {
        "MOMENTRY_ENV": "development",
        "MALLOC_ARENA_MAX": "2",  # glibc keeps an arena per thread: tens of MB over all processes
        "PYTHONUNBUFFERED": "1",
        "MOMENTRY_NO_VENV": "1",  # the interpreter is chosen already
    }
    kept = {name: value for name, value in given.items() if value and name != "NOTIFY_SOCKET"}
    return {**defaults, **kept, **added}
