"""Load by wrk: raw requests from a file, as fast as they go or at a rate."""

import json
import shutil
import subprocess
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import NamedTuple

SCRIPT = Path(__file__).with_name("load.lua")
numbers = count()


class Load(NamedTuple):
    """``refused``: answers of 400 and above; ``broken``: no answers; times in milliseconds."""

    requests: int
    seconds: float
    refused: int
    broken: int
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


class Wrk:
    """One wrk with one thread. ``rate`` is of all its connections together; 0 is no limit."""

    def __init__(self, directory: Path, requests: Iterable[bytes]) -> None:
        demand_wrk()
        self.file = directory / f"requests-{next(numbers)}"
        with self.file.open("wb") as file:
            for request in requests:
                file.write(b"%d\n" % len(request) + request)

    def start(
        self, port: int, seconds: int, *, connections: int = 32, rate: float = 0
    ) -> "subprocess.Popen[bytes]":
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
        command += ["-s", str(SCRIPT), f"http://127.0.0.1:{port}/", "--", str(self.file), str(rate)]
        return subprocess.Popen(command, stdout=subprocess.PIPE)

    def run(self, port: int, seconds: int, *, connections: int = 32, rate: float = 0) -> Load:
        return result(self.start(port, seconds, connections=connections, rate=rate))


def result(process: "subprocess.Popen[bytes]") -> Load:
    said = process.communicate()[0]
    if process.returncode:
        raise SystemExit(f"wrk failed:\n{said.decode()}")
    found = json.loads(said.splitlines()[-1])
    if found["broken"]:
        raise SystemExit(f"wrk: {found['broken']} requests got no answer")
    found["p50"], found["p99"] = found["p50"] / 1000, found["p99"] / 1000
    return Load(**found)


def demand_wrk() -> None:
    if shutil.which("wrk") is None:
        raise SystemExit("This benchmark needs wrk: apt-get install wrk, or brew install wrk.")
