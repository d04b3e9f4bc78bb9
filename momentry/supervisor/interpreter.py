"""Chooses the interpreter a command runs in, and changes into it."""

import importlib.util
import os
import sys
from pathlib import Path
from typing import Final

from momentry.supervisor import packages
from momentry.supervisor.errors import CannotStartError
from momentry.supervisor.places import DEVELOPMENT, ROOT, RUNTIME, VENV, venv_python
from momentry.supervisor.requirements import installed_here

BUILDERS: Final = {"up": RUNTIME, "test": DEVELOPMENT, "compile": DEVELOPMENT}


def enter(command: str, argv: list[str]) -> None:
    """Return when this interpreter is the right one; else build ``.venv`` and run anew in it.

    Raises CannotStartError when there is no interpreter with the packages.
    """
    if not is_checkout():
        demand_installable(command)
        return
    if os.environ.get("MOMENTRY_NO_VENV") == "1":
        return
    if command in BUILDERS:
        prepare(BUILDERS[command])
    if inside(VENV):
        return
    if venv_python(VENV).exists():
        change(venv_python(VENV), argv)
    if importlib.util.find_spec("django") is None:
        raise CannotStartError(
            "The packages are not installed: run 'python3 manage.py up' once (it builds .venv), "
            "or install requirements.txt into this Python."
        )


def is_checkout() -> bool:
    """Not so where pip put us: there the interpreter and its packages are pip's matter."""
    return (ROOT / "manage.py").exists()


def demand_installable(command: str) -> None:
    if command in BUILDERS:
        raise CannotStartError(
            f"'{command}' needs the checkout: run 'python3 manage.py {command}' there."
        )


def prepare(requirements: Path) -> None:
    """Make sure that ``.venv`` holds the pins, unless this interpreter does without one."""
    if not VENV.exists() and installed_here(requirements):
        return
    packages.build(VENV, requirements)


def inside(venv: Path) -> bool:
    return Path(sys.prefix).resolve() == venv.resolve()


def change(python: Path, argv: list[str]) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    script = str(Path(argv[0]).resolve())
    os.execv(python, [str(python), script, *argv[1:]])
