"""``manage.py restart``: the running `up` replaces its processes without a failed request."""

import argparse
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from momentry.supervisor import packages
from momentry.supervisor.child import Child
from momentry.supervisor.control import DONE, FAILED, Asker, Control, ask_for_restart
from momentry.supervisor.datadir import RUN, is_held
from momentry.supervisor.errors import CannotStartError, StoppedError
from momentry.supervisor.notices import RESTART
from momentry.supervisor.places import ROOT, RUNTIME, VENV
from momentry.supervisor.sockets import socket_place
from momentry.supervisor.start import Start
from momentry.supervisor.supervise import Leaving, Service, Supervisor, died

CHECK_SECONDS: Final = 30.0
DJANGO_SECONDS: Final = 60.0  # from the start until it answers
GATEWAY_SECONDS: Final = 120.0  # for all of its processes, one after the other
LEAVING_SECONDS: Final = 120.0  # a gateway keeps an unused connection for 60, then come requests
RETIRE: Final = signal.SIGUSR1


def main(argv: list[str]) -> int:
    """0 when everything was replaced, 1 with the reason when not."""
    parser = argparse.ArgumentParser(
        prog="manage.py restart",
        description="Replace gateway, Django, relay and worker of a running `up` by new ones, with "
        "the code and the settings' files as they are now. No request fails.",
    )
    parser.add_argument("--data-dir", type=Path, default=ROOT / "var")
    data = parser.parse_args(argv).data_dir.resolve()
    if not is_held(data):
        raise CannotStartError(f"No momentry runs with the data directory {data}.")
    if (
        os.environ.get("MOMENTRY_NO_VENV") != "1"
        and VENV.exists()
        and not packages.ready(VENV, RUNTIME)
    ):
        raise CannotStartError(
            "requirements.txt has changed, and packages are not replaced under running processes: "
            "stop momentry and start it again."
        )
    ask_for_restart(socket_place(data / RUN) / "control.sock")
    return 0


class Restarter:
    """The other end, in `up`. Before anything is touched the new code has to show that it starts;
    what fails later leaves the old process running, if there is one."""

    def __init__(self, start: Start, boss: Supervisor) -> None:
        self.start = start
        self.boss = boss
        self.control = Control(start.sockets / "control.sock")
        boss.signals.watched.append(self.control.listener)

    def serve(self) -> None:
        """Called whenever `up` wakes. Whoever asked is told the outcome, unless `up` ends."""
        asker = self.control.asker()
        if asker is None:
            return
        try:
            self.restart(asker)
            self.tell(asker, "restarted", DONE)
        except (CannotStartError, OSError) as error:
            sentence = " ".join(str(error).split())
            self.tell(asker, f"not restarted: {sentence}", f"{FAILED}{sentence}")
        except StoppedError:
            return  # our caller sees why
        finally:
            asker.close()

    def tell(self, asker: Asker, logged: str, line: str) -> None:
        self.boss.say(logged)
        asker.say(line)

    def restart(self, asker: Asker) -> None:
        """Django before the gateway: the old gateways' connections to the old Django end with
        them. Raises CannotStartError, StoppedError."""
        began = time.monotonic()
        self.check()
        state = self.start.state()
        if not self.start.is_prepared(state):
            self.start.prepare(self.boss.look)
            self.start.remember(state)
            asker.say("database prepared")
        self.replace_django()
        asker.say("Django replaced")
        self.replace_gateway()
        asker.say("gateway replaced")
        self.replace_background()
        asker.say(f"relay and worker replaced; it took {time.monotonic() - began:.1f} s")

    def check(self) -> None:
        child = self.start.plan.gateway_check(self.start.workers)
        child.start()
        self.await_or_kill(child, lambda: child.code() is not None, CHECK_SECONDS)
        if child.code() != 0:
            raise CannotStartError(last_word(child) or "manage.py gateway cannot start.")

    def await_or_kill(self, child: Child, done: Callable[[], bool], seconds: float) -> bool:
        """What is not done in time, or meets the end of `up`, is killed."""
        is_done = False
        try:
            is_done = self.boss.keep_on(done, seconds)
        finally:
            if not is_done:
                child.kill()
        return is_done

    def service(self, name: str) -> Service:
        return next(one for one in self.boss.services if one.child.name == name)

    def replace_django(self) -> None:
        """The new one takes the path when it answers; then the old one drains."""
        service, new = self.service("django"), self.start.django()
        notices = self.start.django_notices
        notices.read()
        service.held = True  # a second one that comes up late would take the path again
        try:
            new.start()
            ready = self.await_or_kill(
                new, lambda: "READY" in notices.read() or not new.alive(), DJANGO_SECONDS
            )
            if (code := new.code()) is not None:
                words = died(new, code) if ready else "Django did not answer in time; see its log."
                raise CannotStartError(words)
            old, service.child = service.child, new
            service.start_at = None
        finally:
            service.held = False
        old.send(RETIRE)
        self.boss.leaving.append(Leaving(old, LEAVING_SECONDS))

    def replace_gateway(self) -> None:
        """It replaces its processes by itself, and says how far it is."""
        notices = self.start.gateway_notices
        notices.read()
        child = self.service("gateway").child
        child.send(signal.SIGHUP)
        said: dict[str, str] = {}

        def is_over() -> bool:
            said.update(notices.read())
            return said.get(RESTART) in {"done", "refused"}

        if not self.boss.keep_on(is_over, GATEWAY_SECONDS):
            why = said.get("STATUS", "the gateway says nothing")
            raise CannotStartError(f"{why}; it is tried again and again, see its log.")
        if said[RESTART] == "refused":
            raise CannotStartError(said.get("STATUS", "the gateway cannot start."))
        child.spec = self.start.gateway().spec  # DRAIN_SECONDS may be another

    def replace_background(self) -> None:
        """Nobody waits for these: stopped, and started."""
        services = [self.service(name) for name in ("relay", "worker")]
        for service in services:
            service.held = True
            service.child.ask_to_stop()
        ended = [service.child for service in services]
        grace = max(child.spec.grace for child in ended)
        try:
            self.boss.keep_on(lambda: all(child.code() is not None for child in ended), grace)
        finally:
            for service in services:
                service.child.kill()
                service.held = False
                service.start_at = None
        for service in services:
            service.child.start()


def last_word(child: Child) -> str:
    return " ".join(child.last_words(1))
