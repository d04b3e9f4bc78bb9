"""Pinned requirements and the stamp that tells which of them a virtual environment holds."""

import json
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Final, NamedTuple

STAMP: Final = "momentry-stamp.json"
PIN: Final = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)")


class Pin(NamedTuple):
    name: str
    version: str
    conditional: bool

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


def read_pins(requirements: Path) -> list[Pin]:
    lines = requirements.read_text(encoding="utf-8").splitlines()
    return [
        Pin(match["name"].lower(), match["version"], ";" in line)
        for line in lines
        if (match := PIN.match(line))
    ]


def running_python() -> str:
    """Such as "3.11": packages are built for a minor version."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def stamped(venv: Path, requirements: Path, python: str) -> bool:
    """Whether the stamp says that every pin of ``requirements`` was installed for ``python``.

    Pins are compared, not one digest of the file: what requirements-dev.txt installed also
    satisfies requirements.txt.
    """
    try:
        stamp = json.loads((venv / STAMP).read_text(encoding="utf-8"))
        known = set(stamp["pins"])
        same = stamp["python"] == python
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return same and known.issuperset(map(str, read_pins(requirements)))


def write_stamp(venv: Path, requirements: Path, python: str) -> None:
    pins = sorted(map(str, read_pins(requirements)))
    draft = venv / f"{STAMP}.new"
    draft.write_text(json.dumps({"python": python, "pins": pins}, indent=1), encoding="utf-8")
    draft.replace(venv / STAMP)


def installed_here(requirements: Path) -> bool:
    """Whether the running interpreter already has what the file pins (image, CI, own venv).

    A pin with a marker may be absent; if the distribution is there, one pin must name its version.
    """
    wanted: dict[str, list[Pin]] = {}
    for pin in read_pins(requirements):
        wanted.setdefault(pin.name, []).append(pin)
    for name, pins in wanted.items():
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            if not all(pin.conditional for pin in pins):
                return False
        else:
            if version not in {pin.version for pin in pins}:
                return False
    return True
