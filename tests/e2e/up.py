"""`manage.py up` as a person starts it, for tests that look at the whole from outside."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = (
    "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ENCRYPTION_KEY", "API_KEY_PEPPERS", "ADMIN_TOKEN",
    "MOMENTRY_ENV", "DJANGO_SETTINGS_MODULE", "PUBLIC_URL", "DJANGO_SOCKET",
)  # fmt: skip
READY_SECONDS = 90


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@dataclass
class Up:
    """A running installation. ``seconds``: from the command to the printed address."""

    process: subprocess.Popen[bytes]
    data: Path
    output: Path
    port: int
    seconds: float

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def text(self) -> str:
        return self.output.read_text()

    @property
    def demo_key(self) -> str:
        return re.search(r"muser_\w+", self.text)[0]

    @property
    def admin_password(self) -> str:
        return re.search(r"password\s+(\S+)", self.text)[1]

    @property
    def admin_token(self) -> str:
        return (self.data / "secrets" / "admin-token").read_text().strip()

    def descendants(self) -> list[int]:
        """Every process below the supervisor, children of children too."""
        parents: dict[int, int] = {}
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError, IndexError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents[int(entry.name)] = int(fields[1])
        found, queue = [], [self.process.pid]
        while queue:
            parent = queue.pop()
            children = [pid for pid, above in parents.items() if above == parent]
            found += children
            queue += children
        return found

    def database_url(self) -> str:
        """As the gateway was told it."""
        for pid in self.descendants():
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if b"gateway" in command:
                environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                return next(v[13:] for v in environ if v.startswith(b"DATABASE_URL=")).decode()
        raise AssertionError("no gateway runs")

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Seconds until the supervisor had gone."""
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(60)
        return time.monotonic() - began


def start(data: Path, *, port: int = 0, workers: int = 1, **environment: str) -> Up:
    """Start and wait until the address is printed; fails with the output otherwise."""
    port = port or free_port()
    output = data.with_name(f"{data.name}-{port}.out")
    began = time.monotonic()
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "up", "--port", str(port),
             "--workers", str(workers), "--data-dir", str(data)],
            stdout=sink, stderr=subprocess.STDOUT, cwd=ROOT,
            env={k: v for k, v in os.environ.items() if k not in OURS} | environment,
        )  # fmt: skip
    while "Stop " not in output.read_text():
        if process.poll() is not None or time.monotonic() - began > READY_SECONDS:
            process.kill()
            raise AssertionError(output.read_text())
        time.sleep(0.05)
    return Up(process, data, output, port, time.monotonic() - began)
