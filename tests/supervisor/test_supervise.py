"""Children: restarted with back-off, stopped in order, never left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from momentry.supervisor.child import Child, stop_together
from momentry.supervisor.errors import CannotStartError, StoppedError
from momentry.supervisor.logfiles import trim
from momentry.supervisor.places import ROOT
from momentry.supervisor.signals import Signals
from momentry.supervisor.supervise import Leaving, Service, Supervisor
from tests.supervisor.tools import exists, until

SLEEP = "import time; time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('on', flush=True); "
    "time.sleep(600)"
)
MakeChild = Callable[..., Child]


class Asked:
    """Signals without handlers: pytest's process keeps its own."""

    def __init__(self) -> None:
        self.asked = 0

    def stopping(self) -> bool:
        return self.asked > 0

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.02))


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(said: list[str]) -> Supervisor:
    return Supervisor(cast("Signals", Asked()), said.append)


def test_a_child_that_ends_is_started_again_with_growing_delays(
    child: MakeChild, said: list[str]
) -> None:
    service = Service(child("flaky", "raise SystemExit(3)"))
    service.child.start()
    delays = []

    for _ in range(4):
        assert until(lambda: not service.child.alive())
        service.look(service.child.started_at, said.append)
        assert service.start_at is not None
        delays.append(service.start_at - service.child.started_at)
        service.look(service.start_at, said.append)

    assert [round(delay, 1) for delay in delays] == [0.5, 1.0, 2.0, 4.0]
    assert said[0].startswith("flaky ended with exit code 3; it starts again in 0.5 s")


def test_a_child_that_lived_long_starts_soon_again(child: MakeChild, said: list[str]) -> None:
    service = Service(child("old", "pass"))
    service.delay = 30.0
    service.child.start()
    assert until(lambda: not service.child.alive())

    service.look(service.child.started_at + 31, said.append)

    assert "starts again in 0.5 s" in said[0]


def test_a_death_while_starting_is_final_and_told_with_its_last_words(
    child: MakeChild, supervisor: Supervisor
) -> None:
    supervisor.add(child("gateway", "import sys; sys.exit('ENCRYPTION_KEY is not a key.')"))

    with pytest.raises(CannotStartError, match="gateway ended with exit code 1") as refusal:
        supervisor.wait_for(lambda: False, 10)

    assert "ENCRYPTION_KEY is not a key." in str(refusal.value)


def test_a_request_to_stop_while_starting_is_heard(supervisor: Supervisor) -> None:
    supervisor.signals.asked = 1

    with pytest.raises(StoppedError):
        supervisor.wait_for(lambda: False, 10)


def test_a_dead_foundation_ends_the_run(
    child: MakeChild, supervisor: Supervisor, said: list[str]
) -> None:
    dead = child("postgres", "raise SystemExit(2)")
    supervisor.foundations.append(dead)
    dead.start()

    assert supervisor.run() == 1
    assert said[0].startswith("postgres ended with exit code 2")


def test_what_was_replaced_has_its_time_and_is_then_asked_and_killed(
    place: Path, child: MakeChild, supervisor: Supervisor
) -> None:
    polite, stubborn = child("polite", SLEEP), child("stubborn", STUBBORN, grace=0.2)
    for one in (polite, stubborn):
        one.start()
    assert until(lambda: (place / "stubborn.log").stat().st_size > 0)
    supervisor.leaving = [Leaving(polite, 0.3), Leaving(stubborn, 0.3)]

    supervisor.look()
    assert polite.alive()

    assert supervisor.keep_on(lambda: not supervisor.leaving, 5)
    assert polite.code() == -signal.SIGTERM
    assert stubborn.code() == -signal.SIGKILL


def test_while_something_is_waited_for_what_died_comes_back_but_not_what_is_held(
    child: MakeChild, supervisor: Supervisor, said: list[str]
) -> None:
    for name in ("relay", "django"):
        supervisor.add(child(name, "pass"))
    held = supervisor.services[1]
    held.held = True

    assert not supervisor.keep_on(lambda: False, 1.2)

    assert any("relay ended" in line for line in said)
    assert not any("django ended" in line for line in said)
    supervisor.foundations.append(child("postgres", "raise SystemExit(2)"))
    supervisor.foundations[0].start()
    with pytest.raises(StoppedError):
        supervisor.keep_on(lambda: False, 10)


def test_groups_stop_one_after_the_other(
    place: Path, child: MakeChild, supervisor: Supervisor
) -> None:
    trace = place / "trace"
    code = (
        "import signal, sys, time\n"
        f"def stop(*_): open({str(trace)!r}, 'a').write('{{name}} '); sys.exit(0)\n"
        "signal.signal(15, stop); print('on', flush=True); time.sleep(600)"
    )
    names = ("postgres", "django", "gateway")
    for name in names:
        supervisor.add(child(name, code.format(name=name)))
    assert until(lambda: all((place / f"{name}.log").stat().st_size for name in names))

    supervisor.stop((("gateway",), ("django",), ("valkey", "postgres")))

    assert trace.read_text().split() == ["gateway", "django", "postgres"]


def test_what_does_not_stop_in_time_is_killed(place: Path, child: MakeChild) -> None:
    stubborn = child("stubborn", STUBBORN, grace=0.2)
    stubborn.start()
    assert until(lambda: (place / "stubborn.log").stat().st_size > 0)

    assert stop_together([stubborn]) == ["stubborn"]
    assert not exists(stubborn.pid)


def test_a_second_request_waits_for_nothing(place: Path, child: MakeChild) -> None:
    def seconds_to_stop(name: str) -> float:
        stubborn = child(name, STUBBORN, grace=60.0)
        stubborn.start()
        assert until(lambda: (place / f"{name}.log").stat().st_size > 0)
        began = time.monotonic()
        stop_together([stubborn], hurry=lambda: True)
        return time.monotonic() - began

    assert min(seconds_to_stop(name) for name in ("one", "two", "three")) < 2


def test_what_a_child_forked_ends_with_it(place: Path, child: MakeChild) -> None:
    parent = child(
        "parent",
        "import os, time\nif os.fork() == 0: time.sleep(600)\nelse: print('on', flush=True)",
    )
    parent.start()
    assert until(lambda: not parent.alive())

    parent.code()

    def group_is_empty() -> bool:
        try:
            os.killpg(parent.pid, 0)
        except ProcessLookupError:
            return True
        return False

    assert until(group_is_empty)


def test_killing_the_supervisor_ends_its_children(place: Path) -> None:
    code = f"""
import os, sys, time
from pathlib import Path
from typing import cast
from momentry.supervisor.child import Child, Spec
for name in ("one", "two"):
    child = Child(Spec(name, (sys.executable, "-c", {SLEEP!r}), Path({str(place)!r}) / name))
    child.start()
    print(child.pid, flush=True)
time.sleep(600)
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        children = [int(process.stdout.readline()) for _ in range(2)]
        assert until(lambda: all(launched(pid) for pid in children))
        process.kill()

    assert until(lambda: not any(exists(pid) for pid in children), 2)


def launched(pid: int) -> bool:
    """Whether the launcher has become the program."""
    command = Path(f"/proc/{pid}/cmdline").read_bytes()
    return b"launch.py" not in command and b"sleep(600)" in command


@pytest.fixture
def handlers() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_wakes_the_sleep_and_is_counted(handlers: None) -> None:
    def seconds_to_wake(signals: Signals) -> float:
        os.kill(os.getpid(), signal.SIGTERM)
        began = time.monotonic()
        signals.sleep(10)
        return time.monotonic() - began

    with Signals() as signals:
        assert min(seconds_to_wake(signals) for _ in range(3)) < 1
        assert signals.asked == 3


def test_a_large_log_keeps_its_end_and_goes_on(place: Path) -> None:
    log = place / "django.log"
    with log.open("a") as out:
        out.write("a" * 500 + "b" * 500)
        out.flush()

        trim(log, largest=600)
        out.write("c")
        out.flush()

    assert log.read_text() == "c"
    assert (place / "django.log.1").read_text() == "b" * 300


def test_a_small_log_is_left_alone(place: Path) -> None:
    log = place / "django.log"
    log.write_text("a")

    trim(log, largest=600)

    assert list(place.iterdir()) == [log]
