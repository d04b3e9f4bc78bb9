"""``manage.py compile``: turns the gateway's busiest modules into machine code, with mypyc.

A gateway that starts afterwards takes it. Without it, or after a source changed, it runs what is
written, at twice the CPU.
"""

import argparse
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Final

from momentry.supervisor.errors import CannotStartError
from momentry.supervisor.places import ROOT
from proxy.gateway import compiled

# Its own settings: what mypy demands of the sources is asked by `test`, here it only reads types.
CONFIGURATION: Final = "[mypy]\nignore_missing_imports = True\nfollow_imports = silent\n"
BUILD: Final = """
import sys
from mypyc.build import mypycify
from setuptools import setup
made, *files = sys.argv[1:]
options = [f"--config-file={made}/mypy.ini", f"--cache-dir={made}/cache"]
modules = mypycify([*options, *files], opt_level="2", debug_level="0", target_dir=f"{made}/c")
arguments = ["build_ext", "--build-lib", f"{made}/lib", "--build-temp", f"{made}/temp"]
setup(name="momentry-gateway", packages=[], ext_modules=modules, script_args=arguments)
"""


def main(argv: list[str]) -> int:
    """0 when the machine code of these sources is there. Raises CannotStartError."""
    parser = argparse.ArgumentParser(prog="manage.py compile", description=__doc__)
    parser.add_argument("--force", action="store_true", help="also when it is there already")
    place = compiled.place()
    if parser.parse_args(argv).force:
        shutil.rmtree(place, ignore_errors=True)
    if place.is_dir():
        print(f"The gateway is compiled already: {place.relative_to(ROOT)}")
        return 0
    demand_compiler()
    began = time.monotonic()
    print(f"Compiling {len(compiled.NAMES)} modules of the gateway, for a minute or two ...")
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="building-", dir=place.parent) as directory:
        build(Path(directory))
        put(Path(directory, "lib"), place)
    forget_others(place)
    print(f"Done in {time.monotonic() - began:.0f} s; a gateway that starts from now on uses it.")
    return 0


def demand_compiler() -> None:
    header = Path(sysconfig.get_path("include"), "Python.h")
    named = str(sysconfig.get_config_var("CC")).split()[0]
    if shutil.which(named) is None or not header.exists():
        raise CannotStartError(
            f"It needs a C compiler ({named}) and Python's headers ({header}): on Debian, "
            "apt-get install gcc libc6-dev python3-dev. The gateway runs without, but slower."
        )


def build(made: Path) -> None:
    (made / "mypy.ini").write_text(CONFIGURATION)
    files = [f"{name.replace('.', '/')}.py" for name in compiled.NAMES]
    command = [sys.executable, "-c", BUILD, str(made), *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise CannotStartError(f"The compiler failed:\n{last}")


def put(lib: Path, place: Path) -> None:
    """At once and whole; who built the same meanwhile has put the same."""
    try:
        lib.rename(place)
    except OSError:
        if not place.is_dir():
            raise


def forget_others(place: Path) -> None:
    """Of older sources; a gateway that runs on them has them open."""
    for other in place.parent.iterdir():
        if other != place and not other.name.startswith("building-"):
            shutil.rmtree(other, ignore_errors=True)
