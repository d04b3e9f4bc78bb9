"""Builds ``.venv`` and shows how far it is; repairs what an interrupted build left."""

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from momentry.supervisor.errors import CannotStartError
from momentry.supervisor.places import venv_python
from momentry.supervisor.progress import Progress
from momentry.supervisor.requirements import (
    read_pins,
    running_python,
    stamped,
    write_stamp,
)

BUILDING: Final = "momentry-building"
PIP: Final = (
    "-m", "pip", "install", "--require-hashes", "--only-binary", ":all:", "--no-input",
    "--disable-pip-version-check", "--progress-bar", "off", "--no-compile",
)  # fmt: skip
SMALLEST_DISK: Final = 700 * 1024 * 1024


def build(venv: Path, requirements: Path) -> None:
    """Make the virtual environment hold the pins of ``requirements``; cheap when it does already.

    Raises CannotStartError with one sentence when it cannot.
    """
    if ready(venv, requirements):
        return
    with only_builder(venv):
        if ready(venv, requirements):
            return  # another start built it while this one waited
        if (venv / BUILDING).exists() or not runs(venv, "import pip"):
            create(venv)
        (venv / BUILDING).touch()
        install(venv, requirements)
        show_checkout(venv)
        write_stamp(venv, requirements, version(venv))
        (venv / BUILDING).unlink()


def ready(venv: Path, requirements: Path) -> bool:
    found = version(venv)
    return bool(found) and stamped(venv, requirements, found)


def version(venv: Path) -> str:
    """The version of the environment's interpreter, such as "3.11"; "" when it does not run.

    It is asked, not read: after an upgrade of the system's Python the files lie.
    """
    if Path(sys.prefix).resolve() == venv.resolve():
        return running_python()
    return runs(venv, "import sys; print('%d.%d' % sys.version_info[:2])").strip()


def runs(venv: Path, code: str) -> str:
    """What the environment's interpreter prints for ``code``, at least a line; "" if it fails."""
    try:
        answer = subprocess.run(
            [venv_python(venv), "-I", "-c", code], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return answer.stdout or "\n"


@contextmanager
def only_builder(venv: Path) -> Iterator[None]:
    """Hold a lock on the directory itself: it needs no file and ends with the process."""
    try:
        lock = os.open(venv.parent, os.O_RDONLY)
    except OSError as error:
        raise CannotStartError(f"{venv.parent} cannot be opened: {error.strerror}.") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another start is installing the packages; waiting for it.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def create(venv: Path) -> None:
    check_tools()
    check_disk(venv.parent)
    print(f"Making the virtual environment {venv.name}", flush=True)
    base = getattr(sys, "_base_executable", "") or sys.executable
    try:
        if venv.is_symlink():
            venv.unlink()
        elif venv.exists():
            shutil.rmtree(venv)
        subprocess.run([base, "-m", "venv", venv], check=True, capture_output=True, text=True)
    except OSError as error:
        raise CannotStartError(
            f"{venv} cannot be written ({error.strerror}): make the directory writable for this "
            "user, or install requirements.txt yourself and set MOMENTRY_NO_VENV=1."
        ) from error
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout or "no reason given").strip().splitlines()[-1]
        raise CannotStartError(f"Python could not make {venv}: {said}") from error


def show_checkout(venv: Path) -> None:
    """Let the environment import this checkout, so that a bare ``pytest`` finds its plugin."""
    for packages in venv.glob("lib/python*/site-packages"):
        (packages / "momentry-checkout.pth").write_text(f"{venv.parent}\n", encoding="utf-8")


def check_tools() -> None:
    """Debian and Ubuntu leave out ``ensurepip`` until a package of its own is installed."""
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        package = f"python{running_python()}-venv"
        raise CannotStartError(
            f"This Python has no {' and no '.join(missing)} module, which building .venv needs: "
            f"run 'apt install {package}' (Debian, Ubuntu) or use a Python from python.org."
        )


def check_disk(directory: Path) -> None:
    if shutil.disk_usage(directory).free < SMALLEST_DISK:
        raise CannotStartError(
            f"The disk that holds {directory} has less than {SMALLEST_DISK >> 20} MB free, which "
            "the packages need: make room and start again."
        )


def install(venv: Path, requirements: Path) -> None:
    """Run pip; only lines that help to mend a failure are shown."""
    command = [str(venv_python(venv)), *PIP, "-r", str(requirements)]
    started = time.monotonic()
    progress = Progress(sys.stdout, total=len(read_pins(requirements)))
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as pip:
        for line in pip.stdout or ():
            progress.feed(line)
    progress.close()
    if pip.returncode != 0:
        for line in progress.complaints():
            print(f"  {line}", file=sys.stderr)
        raise CannotStartError(
            "pip could not install the packages (its words are above): check that the package "
            "index can be reached and that the disk has room, then start again."
        )
    print(f"Packages installed in {time.monotonic() - started:.0f} s", flush=True)
