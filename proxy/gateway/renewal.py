"""How the gateway's parent gets to its next image: a check that it can start, then exec(2)."""

import os
import signal
from time import monotonic
from typing import TYPE_CHECKING

from momentry.common import notify
from proxy.gateway import handover
from proxy.gateway.core import logger
from proxy.gateway.handover import NEVER, Check, Handover
from proxy.gateway.waking import HANDLED

if TYPE_CHECKING:
    from proxy.gateway.parent import Parent


class Renewal:
    """Where the next image could not start nothing changes but the log."""

    def __init__(self, parent: "Parent") -> None:
        self.parent = parent
        self.check: Check | None = None

    def is_under_way(self) -> bool:
        """Then what would be started now, where another serves, would be replaced at once."""
        return self.check is not None or self.parent.waking.restart

    def due(self) -> float:
        return self.check.until if self.check is not None else NEVER

    def step(self, now: float) -> None:
        """A wish that comes while a process is on its way waits until that has come or failed."""
        if self.check is not None:
            if now > self.check.until:
                self.check.kill()
        elif self.parent.waking.restart and not self.parent.is_coming():
            self.parent.waking.restart = False
            notify.tell_restarting()
            try:
                self.check = Check(self.handover())
            except OSError as error:
                refuse(f"{error.strerror or error}.")

    def stop(self) -> None:
        if self.check is not None:
            self.check.kill()

    def ended(self, pid: int, code: int) -> None:
        check = self.check
        if check is None or check.pid != pid:
            return
        self.check = None
        reason = check.reason(code)
        if self.parent.stopping:
            return
        if reason:
            refuse(reason)
        else:
            self.become()

    def become(self) -> None:
        """What was asked for meanwhile is asked of the next image: it unblocks the signals."""
        parent = self.parent
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        try:
            if parent.waking.stop:
                return
            if parent.waking.restart:
                os.kill(os.getpid(), signal.SIGHUP)
            for process in parent.processes.values():
                if process.comes:
                    parent.ask_to_end(process, monotonic(), signal.SIGTERM)
            handover.become(self.handover())
        except OSError as error:
            refuse(f"{error.strerror or error}.")
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)

    def handover(self) -> Handover:
        parent = self.parent
        descriptors = tuple(listener.fileno() for listener in parent.sockets)
        return Handover(descriptors, parent.metrics.file, tuple(parent.processes.values()))


def refuse(reason: str) -> None:
    logger.error("not restarted: %s", reason)
    notify.tell_restart("refused", reason)
