"""Keeps the children running: restarts with back-off, and stops them in order."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from momentry.supervisor.child import Child, stop_together
from momentry.supervisor.errors import CannotStartError, StoppedError
from momentry.supervisor.logfiles import trim
from momentry.supervisor.signals import Signals

FIRST_DELAY_SECONDS: Final = 0.5
LONGEST_DELAY_SECONDS: Final = 30.0
STEADY_SECONDS: Final = 30.0  # a child that lived this long starts with a short delay again
TRIM_EVERY_SECONDS: Final = 15.0


class Service:
    """A child that may be restarted."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.delay = FIRST_DELAY_SECONDS
        self.start_at: float | None = None  # when a restart is due; None while it runs

    def look(self, now: float, say: Callable[[str], None]) -> None:
        """Restart it when it is due, or plan that when it has just ended."""
        if self.start_at is not None:
            if now >= self.start_at:
                self.start_at = None
                self.child.start()
            return
        if (code := self.child.code()) is None:
            return
        if now - self.child.started_at >= STEADY_SECONDS:
            self.delay = FIRST_DELAY_SECONDS
        self.start_at = now + self.delay
        say(
            f"{self.child.name} ended {ending(code)}; it starts again in {self.delay:g} s "
            f"(see {self.child.spec.log})"
        )
        self.delay = min(2 * self.delay, LONGEST_DELAY_SECONDS)


def ending(code: int) -> str:
    return f"by signal {-code}" if code < 0 else f"with exit code {code}"


class Supervisor:
    """``foundations`` (PostgreSQL, Valkey) end everything when they end; ``services`` come back."""

    def __init__(self, signals: Signals, say: Callable[[str], None]) -> None:
        self.signals = signals
        self.say = say
        self.foundations: list[Child] = []
        self.services: list[Service] = []

    def add(self, child: Child) -> None:
        self.services.append(Service(child))
        child.start()

    def demand_alive(self) -> None:
        """While starting, any death is final. Raises CannotStartError, StoppedError."""
        if self.signals.stopping():
            raise StoppedError
        for child in (*self.foundations, *(service.child for service in self.services)):
            if (code := child.code()) is not None:
                raise CannotStartError(died(child, code))

    def wait_for(self, ready: Callable[[], bool], seconds: float) -> bool:
        """Poll until ``ready``; False after ``seconds``. Raises as demand_alive."""
        deadline = time.monotonic() + seconds
        while not ready():
            self.demand_alive()
            if time.monotonic() > deadline:
                return False
            self.signals.sleep(0.03)
        return True

    def run(self) -> int:
        """Until asked to stop (0) or a foundation ends (1)."""
        trimmed = time.monotonic()
        while not self.signals.stopping():
            now = time.monotonic()
            for child in self.foundations:
                if (code := child.code()) is not None:
                    self.say(died(child, code))
                    return 1
            for service in self.services:
                service.look(now, self.say)
            if now - trimmed > TRIM_EVERY_SECONDS:
                trimmed = now
                self.trim_logs()
            self.signals.sleep(self.pause(time.monotonic()))
        return 0

    def pause(self, now: float) -> float:
        due = [service.start_at - now for service in self.services if service.start_at is not None]
        return min([TRIM_EVERY_SECONDS, *due])

    def trim_logs(self) -> None:
        for child in (*self.foundations, *(service.child for service in self.services)):
            trim(child.spec.log)

    def stop(self, order: Sequence[Sequence[str]]) -> None:
        """Group by group; what is in one group stops at the same time."""
        children = {child.name: child for child in self.foundations}
        children.update({service.child.name: service.child for service in self.services})
        for names in order:
            group = [child for name in names if (child := children.get(name))]
            for name in stop_together(group, hurry=lambda: self.signals.asked > 1):
                self.say(f"{name} did not end in time and was killed")


def died(child: Child, code: int) -> str:
    words = "\n  ".join(child.last_words())
    return f"{child.name} ended {ending(code)}; its last words ({child.spec.log}):\n  {words}"
