"""Tells whoever started this process how far it is, as sd_notify(3) does: systemd, or our `up`."""

import contextlib
import os
import socket
import time
from typing import Final

READY: Final = "READY=1"
RESTART: Final = "X_MOMENTRY_RESTART"  # done, refused or waiting: how a rolling restart stands


def tell(*lines: str) -> None:
    """Nobody may be listening, or no more: that is no reason to fail."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    address = f"\0{path[1:]}" if path.startswith("@") else path
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.setblocking(False)
        out.sendto("\n".join(lines).encode(), address)


def tell_restarting() -> None:
    """As systemd's ``Type=notify-reload`` wants it."""
    tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def tell_restart(outcome: str, status: str) -> None:
    """``waiting``: it goes on."""
    ready = [] if outcome == "waiting" else [READY]
    tell(*ready, f"{RESTART}={outcome}", f"STATUS={' '.join(status.split())}")
