"""``manage.py test``: format, lint, types, imports, deployment, migrations, OpenAPI, pytest."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from momentry.supervisor.engines import start_throwaway
from momentry.supervisor.errors import CannotStartError
from momentry.supervisor.places import ROOT
from momentry.supervisor.secretfiles import FILES

PYTEST: Final = "pytest"
USAGE: Final = """\
usage: manage.py test [--all] [--only STEP] [pytest arguments]

--all          the slow tests too
--only STEP    one step alone; repeat it for more
steps: {steps}
"""


class Step(NamedTuple):
    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = {}


class Result(NamedTuple):
    name: str
    passed: bool
    seconds: float


def python(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, *arguments)


def steps(pytest_arguments: Sequence[str]) -> list[Step]:
    return [
        Step("format", python("-m", "ruff", "format", "--check", ".")),
        Step("lint", python("-m", "ruff", "check", ".")),
        Step("types", python("-m", "mypy", ".")),
        Step(
            "imports", python("-c", "from importlinter.cli import lint_imports_command as c; c()")
        ),
        Step("deploy", manage("check", "--deploy", "--fail-level", "WARNING"), PRODUCTION),
        Step("migrations", manage("makemigrations", "--check", "--dry-run")),
        Step("openapi", manage(*SPECTACULAR, os.devnull)),
        Step(PYTEST, python("-m", "pytest", *pytest_arguments)),
    ]


def manage(*arguments: str) -> tuple[str, ...]:
    return python(str(ROOT / "manage.py"), *arguments)


SPECTACULAR: Final = ("spectacular", "--validate", "--fail-on-warn", "--file")
PRODUCTION: Final = {
    "MOMENTRY_ENV": "production",
    "ALLOWED_HOSTS": "momentry.example",
    "PUBLIC_URL": "https://momentry.example",
    "CSRF_TRUSTED_ORIGINS": "https://momentry.example",
}


def main(argv: list[str]) -> int:
    """0 when every step passed; then the last line is pytest's own closing line."""
    if argv and argv[0] in {"-h", "--help"}:
        print(USAGE.format(steps=", ".join(step.name for step in steps([]))))
        return 0
    only, rest = split(argv)
    chosen = [step for step in steps(pytest_arguments(rest)) if not only or step.name in only]
    if unknown := only - {step.name for step in chosen}:
        raise CannotStartError(f"There is no step {', '.join(sorted(unknown))}; see --help.")
    with tempfile.TemporaryDirectory(prefix="momentry-test-") as scratch:
        stop, environment = surroundings(Path(scratch))
        try:
            results: list[Result] = []
            for step in chosen:
                if step.name == PYTEST:
                    table(results)
                results.append(run(step, environment))
        finally:
            stop()
    return verdict(results)


def split(argv: Sequence[str]) -> tuple[set[str], list[str]]:
    """The steps of ``--only``, and what is pytest's."""
    only: set[str] = set()
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "--only":
            only.add(next(words, ""))
        elif word.startswith("--only="):
            only.add(word.partition("=")[2])
        else:
            rest.append(word)
    return only, rest


def pytest_arguments(given: Sequence[str]) -> list[str]:
    """Two workers and the quick tier, unless told otherwise; slow tests wait more than they work,
    so that three keep two cores busy."""
    arguments = [word for word in given if word != "--all"]
    if not any(word.startswith(("-n", "--numprocesses")) for word in arguments):
        arguments = ["-n", "3" if "--all" in given else "2", *arguments]
    if "--all" not in given and "-m" not in arguments:
        arguments = ["-m", "not slow", *arguments]
    return arguments


def surroundings(scratch: Path) -> tuple[Callable[[], None], dict[str, str]]:
    """Secrets for this run, and the servers that are not given; the first ends those."""
    environment = {**os.environ, "MOMENTRY_NO_VENV": "1", "MOMENTRY_ENV": "development"}
    for name, (_, make) in FILES.items():
        environment[name] = make()
        environment.pop(f"{name}_FILE", None)
    if environment.get("DATABASE_URL") and environment.get("REDIS_URL"):
        return (lambda: None), environment
    engines = start_throwaway(scratch)
    environment["DATABASE_URL"] = environment.get("DATABASE_URL") or engines.database_url
    environment["REDIS_URL"] = environment.get("REDIS_URL") or engines.redis_url
    return engines.stop, environment


def run(step: Step, environment: Mapping[str, str]) -> Result:
    print(f"\n== {step.name}", flush=True)
    began = time.monotonic()
    code = subprocess.run(
        step.command, env={**environment, **step.environment}, cwd=ROOT, check=False
    ).returncode
    return Result(step.name, code == 0, time.monotonic() - began)


def table(results: Sequence[Result]) -> None:
    print("\n== steps", flush=True)
    for result in results:
        print(f"{'passed' if result.passed else 'FAILED'}  {result.seconds:6.1f} s  {result.name}")


def verdict(results: Sequence[Result]) -> int:
    """Silent after a pytest that passed: its closing line stays the last."""
    failed = [result.name for result in results if not result.passed]
    if failed or all(result.name != PYTEST for result in results):
        table(results)
        print(f"steps: {len(results) - len(failed)} passed, {len(failed)} failed", flush=True)
    return 1 if failed else 0
