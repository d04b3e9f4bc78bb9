"""Django's server, which can be replaced by another that takes its socket's place.

A unix socket is bound beside its place and moved there once we answer: whoever connects by the
path finds us, and who waits in the socket that stood there before is still served by its owner.
"""

import contextlib
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Any, Final

import uvicorn

from momentry.common import notify
from momentry.common.processors import leave_one_processor
from momentry.common.served import LIMIT_SECONDS, ServedConnection
from momentry.supervisor.launch import step_back

RETIRE: Final = signal.SIGUSR1  # another has taken the socket's place
CLOSE: Final = (b"connection", b"close")
YIELDS: Final = 5  # as nice(1), once it has started: to the gateway (docs/decisions/040)
LATE_SECONDS: Final = 1.0  # for who looked the path up before the other took it
NEVER: Final = float("inf")
endings: Final[list[Callable[[], None]]] = []  # told first: what waits need not be waited for


class Server(uvicorn.Server):
    """``path``: of the unix socket to answer on, "" where uvicorn opens what the config says."""

    def __init__(self, config: uvicorn.Config, path: str) -> None:
        super().__init__(config)
        self.path = Path(path) if path else None
        self.draft = self.path.with_name(f".{os.getpid()}") if self.path else None
        self.may_end_at = NEVER

    def serve_until_asked(self) -> None:
        signal.signal(RETIRE, self.retire)
        with contextlib.suppress(KeyboardInterrupt):
            self.run(sockets=[bind(self.draft)] if self.draft else None)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            if self.draft and self.path:
                self.draft.replace(self.path)
            step_back(YIELDS)  # threads that come later do as this one
            leave_one_processor()
            notify.tell(notify.READY)

    def retire(self, _number: int, _frame: FrameType | None) -> None:
        """Every answer from now on ends its connection. One that is not used is the gateway's to
        end: closed by us, it could meet a request that is not safe to send again."""
        self.config.encoded_headers = [*self.config.encoded_headers, CLOSE]
        self.server_state.default_headers = [*self.server_state.default_headers, CLOSE]
        self.may_end_at = monotonic() + LATE_SECONDS
        end_waits()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        end_waits()
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        if not self.server_state.connections and monotonic() > self.may_end_at:
            return True
        return await super().on_tick(counter)


def end_waits() -> None:
    for end in endings:
        end()


def bind(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o666)  # the directory says who may reach it
    return listener


def run(path: str, **options: Any) -> None:
    ServedConnection.limit = LIMIT_SECONDS
    Server(uvicorn.Config(**options), path).serve_until_asked()
