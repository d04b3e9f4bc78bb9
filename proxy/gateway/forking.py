"""One fork of the gateway's parent, and what the child lays down of its parent's first."""

import contextlib
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.gateway import parentage, worker
from proxy.gateway.core import logger
from proxy.gateway.waking import HELD

if TYPE_CHECKING:
    from proxy.gateway.parent import Parent


@dataclass(frozen=True, slots=True)
class Fork:
    """``waits``: it accepts nothing before it is ready."""

    parent: "Parent"
    sockets: tuple[int, ...]
    place: int
    waits: bool

    def start(self) -> tuple[int, int]:
        """Its process id, and the pipe that it says on how far it is. A signal that comes in
        between waits for the child to hear it."""
        reader, writer = os.pipe()
        above = os.getpid()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
        pid = os.fork()
        if not pid:
            self.be_child(reader, writer, above)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(writer)
        return pid, reader

    def be_child(self, reader: int, writer: int, above: int) -> None:
        """Never returns."""
        code = 1
        try:
            parent = self.parent
            parent.waking.forget()
            parentage.die_with(above)
            os.close(reader)
            for process in parent.processes.values():
                if process.pipe >= 0:
                    os.close(process.pipe)
            for number, listener in enumerate(parent.sockets):
                if number not in self.sockets:
                    listener.close()
            parent.metrics.take_place(self.place)
            worker.run(self.child(writer))
            code = 0
        except BaseException as error:  # noqa: BLE001 - the child's outermost frame
            logger.critical("a gateway process failed", exc_info=error)
        finally:
            worker.leave(code)

    def child(self, pipe: int) -> worker.Child:
        parent = self.parent
        listeners = tuple(parent.sockets[number] for number in self.sockets)

        def say(line: str) -> None:
            with contextlib.suppress(OSError):  # a new image of the parent does not hear us
                os.write(pipe, f"{line}\n".encode())

        return worker.Child(
            parent.settings, parent.secrets, listeners, parent.metrics, self.waits, say
        )
