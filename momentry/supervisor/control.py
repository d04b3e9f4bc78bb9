"""How `manage.py restart` and the running `up` speak: lines of progress, and the outcome last."""

import contextlib
import socket
from pathlib import Path
from typing import Final

from momentry.supervisor.errors import CannotStartError

RESTART: Final = b"restart\n"
DONE: Final = "done"
FAILED: Final = "failed: "
ASK_SECONDS: Final = 2.0


class Asker:
    """Who may leave at any time: what was begun goes on."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        connection.settimeout(ASK_SECONDS)

    def wants_restart(self) -> bool:
        try:
            return self.connection.recv(64) == RESTART
        except OSError:
            return False

    def say(self, line: str) -> None:
        with contextlib.suppress(OSError):
            self.connection.sendall(f"{line}\n".encode())

    def close(self) -> None:
        self.connection.close()


class Control:
    """Of the running `up`. Who asks while another is served waits in the socket's queue."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.setblocking(False)
        self.listener.bind(str(path))
        path.chmod(0o600)
        self.listener.listen(8)

    def asker(self) -> Asker | None:
        try:
            connection, _ = self.listener.accept()
        except OSError:
            return None
        asker = Asker(connection)
        if asker.wants_restart():
            return asker
        asker.close()
        return None


def ask_for_restart(path: Path) -> None:
    """Prints the progress; raises CannotStartError with the reason when it did not come about."""
    last = ""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(str(path))
            connection.sendall(RESTART)
            with connection.makefile(encoding="utf-8") as lines:
                for line in lines:
                    last = line.rstrip("\n")
                    if last != DONE and not last.startswith(FAILED):
                        print(last, flush=True)
    except OSError as error:
        raise CannotStartError(f"The running momentry does not answer ({error}).") from error
    if last.startswith(FAILED):
        raise CannotStartError(last.removeprefix(FAILED))
    if last != DONE:
        raise CannotStartError("momentry ended before it had restarted; see its logs.")
