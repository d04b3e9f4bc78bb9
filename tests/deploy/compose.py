"""docker-compose.yml as processes: its commands and environments, without a Docker engine."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
VARIABLE: Final = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
ENGINES: Final = ("postgres", "valkey")


def services(variables: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Every service with anchors merged and ``${NAME}`` filled in as Compose does."""
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = filled(yaml.safe_load(text)["services"], variables)
    return found


def filled(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: filled(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, variables) for item in value]
    return VARIABLE.sub(lambda m: fill(m, variables), value) if isinstance(value, str) else value


def fill(match: re.Match[str], variables: Mapping[str, str]) -> str:
    name, mark, rest = match.groups()
    if value := variables.get(name, ""):
        return value
    if mark == "?":
        raise KeyError(f"{name} {rest}")
    return rest or ""


def ours(variables: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    return {name: item for name, item in services(variables).items() if name not in ENGINES}


def in_start_order(found: Mapping[str, dict[str, Any]]) -> list[str]:
    """After what they depend on."""
    order: list[str] = []
    while len(order) < len(found):
        ready = [
            name
            for name, item in found.items()
            if name not in order and set(item.get("depends_on", {})) & set(found) <= set(order)
        ]
        order += ready or [f"a circle among {sorted(set(found) - set(order))}"]
    return order


class Service:
    """One service as a process of this machine, in a directory that holds what the image holds.

    ``places`` maps what is known in the compose network to what is known here.
    """

    def __init__(
        self, name: str, item: dict[str, Any], image: Path, places: Mapping[str, str]
    ) -> None:
        self.name = name
        self.item = item
        self.image = image
        self.environment = {"PATH": os.environ["PATH"], "MOMENTRY_NO_VENV": "1"}
        self.environment |= {
            key: places.get(str(value), str(value)) for key, value in item["environment"].items()
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, log: Path) -> None:
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                local(self.item["command"]),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=self.environment,
                cwd=self.image,
            )

    def wait(self, seconds: float) -> int:
        assert self.process is not None
        return self.process.wait(seconds)

    def stop(self) -> int:
        """SIGTERM, and its exit code; 30 s is what an orchestrator leaves."""
        assert self.process is not None
        self.process.terminate()
        return self.wait(30)

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def is_healthy(self) -> bool:
        """The service's own health check, run where it would be run."""
        command = local(self.item["healthcheck"]["test"][1:])
        done = subprocess.run(
            command, env=self.environment, cwd=self.image, capture_output=True, check=False
        )
        return done.returncode == 0

    @property
    def has_health_check(self) -> bool:
        return "test" in self.item["healthcheck"]


def local(command: list[str]) -> list[str]:
    assert command[0] == "python"
    return [sys.executable, *command[1:]]


def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text(encoding="utf-8")


def copied() -> list[str]:
    """What the Dockerfile copies of the tree."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", dockerfile(), re.MULTILINE)
    return list(dict.fromkeys(source for line in lines for source in line.split()[:-1]))


def build(image: Path) -> None:
    """The image's working directory, by the Dockerfile's COPY lines, with its static files."""
    image.mkdir()
    for name in copied():
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, image / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, image / name)
    step = re.search(r"^RUN SECRET_KEY=.*?--noinput$", dockerfile(), re.MULTILINE | re.DOTALL)
    assert step is not None
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "MOMENTRY_NO_VENV": "1",
        "DJANGO_SETTINGS_MODULE": "momentry.settings",
    }
    script = step[0].removeprefix("RUN ")
    subprocess.run(["sh", "-c", script], check=True, cwd=image, env=environment)
