"""A real `manage.py up` of a test, and a look at the processes it made."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.request import Request, urlopen

from momentry.supervisor.network import free_port
from momentry.supervisor.places import ROOT
from tests.supervisor.tools import exists, until

OURS = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ENCRYPTION_KEY", "API_KEY_PEPPERS")


class Up:
    """Started by ``with``; killed at the end when it still runs."""

    def __init__(
        self,
        data: Path,
        *arguments: str,
        port: int = 0,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.data = data
        self.port = port or free_port(0)
        self.arguments = arguments
        kept = {k: v for k, v in os.environ.items() if k not in (*OURS, "ADMIN_TOKEN")}
        self.environment = {**kept, "MOMENTRY_NO_VENV": "1", **(variables or {})}

    def __enter__(self) -> Self:
        command = [sys.executable, "manage.py", "up", "--port", str(self.port)]
        self.process = subprocess.Popen(
            [*command, "--data-dir", str(self.data), *self.arguments],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def announced(self) -> str:
        """What it printed until the line that tells how to stop, or all when it ended."""
        lines: list[str] = []
        for line in self.process.stdout or ():
            lines.append(line)
            if line.startswith("  Stop "):
                break
        return "".join(lines)

    def rest(self) -> str:
        """What it printed since; it has ended."""
        return self.process.stdout.read() if self.process.stdout else ""

    def refused(self) -> str:
        """Its words when it does not start; the exit code has to be 1."""
        words, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == 1, words
        return words

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Seconds from the signal to the end."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(timeout=60)
        return time.monotonic() - began

    def get(self, path: str, key: str = "") -> int:
        request = Request(f"http://127.0.0.1:{self.port}{path}", headers={"X-API-Key": key})
        with urlopen(request, timeout=10) as answer:
            return int(answer.status)

    def family(self) -> dict[int, str]:
        """Every process below it: number and command line."""
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "stat").read_text().rpartition(")")[2].split()
                except (FileNotFoundError, ProcessLookupError):
                    continue
                children.setdefault(int(words[1]), []).append(int(entry.name))
        waiting, found = [self.process.pid], {}
        while waiting:
            for pid in children.get(waiting.pop(), []):
                waiting.append(pid)
                found[pid] = command_of(pid)
        return found

    def child(self, words: str) -> int:
        return next((pid for pid, line in self.family().items() if words in line), 0)


def core_limit(limits: str) -> str:
    """Of a process's ``limits``, as the kernel tells them: how large a core dump may be."""
    line = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    return line.split()[4]


def command_of(pid: int) -> str:
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return raw.replace(b"\0", b" ").decode(errors="replace")


def key_in(words: str) -> str:
    found = re.search(r"muser_\w+", words)
    assert found, words
    return found[0]


def all_gone(family: dict[int, str], seconds: float = 10.0) -> bool:
    return until(lambda: not any(exists(pid) for pid in family), seconds)
