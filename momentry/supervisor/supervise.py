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
    """A child that may be restarted. ``held``: it is being replaced, and no other is started."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.held = False
        self.delay = FIRST_DELAY_SECONDS
        self.start_at: float | None = None  # when a restart is due; None while it runs

    def look(self, now: float, say: Callable[[str], None]) -> None:
        """Restart it when it is due, or plan that when it has just ended."""
        if self.held:
            return
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


class Leaving:
    """A child that another has replaced: it ends when nobody needs it, or is asked to in time."""

    def __init__(self, child: Child, seconds: float) -> None:
        self.child = child
        self.until = time.monotonic() + seconds
        self.asked = False

    def is_over(self, now: float) -> bool:
        if self.child.code() is not None:
            return True
        if now > self.until:
            if self.asked:
                self.child.kill()
            self.child.ask_to_stop()
            self.asked = True
            self.until = now + self.child.spec.grace
        return False


class Supervisor:
    """``foundations`` (PostgreSQL) end everything when they end; ``services`` come back, Valkey
    among them: nothing that must survive is in it, and its file brings back the rest."""

    def __init__(self, signals: Signals, say: Callable[[str], None]) -> None:
        self.signals = signals
        self.say = say
        self.foundations: list[Child] = []
        self.services: list[Service] = []
        self.leaving: list[Leaving] = []

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

    def run(self, serve: Callable[[], object] = lambda: None) -> int:
        """Until asked to stop (0) or a foundation ends (1). ``serve`` is called at each waking."""
        trimmed = time.monotonic()
        while not self.signals.stopping():
            if dead := self.look():
                self.say(dead)
                return 1
            serve()
            if time.monotonic() - trimmed > TRIM_EVERY_SECONDS:
                trimmed = time.monotonic()
                self.trim_logs()
            self.signals.sleep(self.pause(time.monotonic()))
        return 0

    def look(self) -> str:
        """Start what is due; the last words of a foundation that ended."""
        now = time.monotonic()
        for child in self.foundations:
            if (code := child.code()) is not None:
                return died(child, code)
        for service in self.services:
            service.look(now, self.say)
        self.leaving = [one for one in self.leaving if not one.is_over(now)]
        return ""

    def keep_on(self, done: Callable[[], bool], seconds: float) -> bool:
        """Supervise until ``done``; False after ``seconds``. Raises StoppedError."""
        deadline = time.monotonic() + seconds
        while not done():
            if self.signals.stopping() or self.look():
                raise StoppedError
            if time.monotonic() > deadline:
                return False
            self.signals.sleep(0.03)
        return True

    def pause(self, now: float) -> float:
        due = [service.start_at - now for service in self.services if service.start_at is not None]
        due += [one.until - now for one in self.leaving]
        return min([TRIM_EVERY_SECONDS, *due])

    def trim_logs(self) -> None:
        for child in (*self.foundations, *(service.child for service in self.services)):
            trim(child.spec.log)

    def stop(self, order: Sequence[Sequence[str]]) -> None:
        """Group by group; what is in one group stops at the same time."""
        children = [*self.foundations, *(service.child for service in self.services)]
        children += [one.child for one in self.leaving]
        for names in order:
            group = [child for child in children if child.name in names]
            for name in stop_together(group, hurry=lambda: self.signals.asked > 1):
                self.say(f"{name} did not end in time and was killed")


def died(child: Child, code: int) -> str:
    words = "\n  ".join(child.last_words())
    return f"{child.name} ended {ending(code)}; its last words ({child.spec.log}):\n  {words}"
