"""What a child says of itself by sd_notify(3): that it is ready, how its restart stands."""

import socket
from pathlib import Path
from typing import Final

RESTART: Final = "X_MOMENTRY_RESTART"


class Notices:
    """``path`` is the child's NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.unlink(missing_ok=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind(str(path))

    def read(self) -> dict[str, str]:
        """All that was said since; of what was said twice the last."""
        said: dict[str, str] = {}
        while True:
            try:
                text = self.socket.recv(65_536).decode(errors="replace")
            except BlockingIOError:
                return said
            for line in text.splitlines():
                name, _, value = line.partition("=")
                said[name] = value
