"""Which modules `manage.py compile` turns into machine code, where that lies, and how a gateway
process takes it instead of the sources: only when it was made of exactly these.
"""

import hashlib
import os
import sys
import sysconfig
from importlib import import_module
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent.parent
VARIABLE: Final = "GATEWAY_COMPILED"  # "false": never; anything else: when it is there
# Types and constants of what is not compiled itself went into it, so they count as its sources.
TREES: Final = ("apikeys", "momentry/common", "proxy")

# What every request and every piece of a body runs through, and the classes it reads.
MODULES: Final = {
    "apikeys.gate": "door entrance headers lease leases replies spares standing verdict windows",
    "apikeys.ledger": "keeper purse purses",
    "apikeys.requestlog": "lastuse packed row",
    "proxy.gateway": (
        "answering answers attempts blocks chunked client_side connection core exchange facts"
        " fence forwarding head health hygiene leaving lines logwriter metrics passages pool"
        " probing record response ring upstream_side"
    ),
}
NAMES: Final = tuple(f"{at}.{name}" for at, names in MODULES.items() for name in names.split())


def digest(root: Path = ROOT) -> str:
    """Of the sources and of the interpreter whose machine code it is."""
    found = hashlib.sha256(str(sysconfig.get_config_var("EXT_SUFFIX")).encode())
    for tree in TREES:
        for path in sorted((root / tree).rglob("*.py")):
            found.update(f"\n{path.relative_to(root)}\n".encode())
            found.update(path.read_bytes())
    return found.hexdigest()[:32]


def place(root: Path = ROOT) -> Path:
    """Where the machine code of these sources is, or would be."""
    return root / "var" / "compiled" / digest(root)


def prefer() -> bool:
    """From here on these modules are imported as machine code, if it is there: before any of them
    was imported. All or none: half of them would not know the others' classes."""
    made = place()
    if os.environ.get(VARIABLE, "").lower() == "false" or not made.is_dir():
        return False
    if early := [name for name in NAMES if name in sys.modules]:
        raise RuntimeError(f"imported before the machine code was preferred: {early}")
    sys.path.append(str(made))  # what they share
    for package in MODULES:
        import_module(package).__path__.insert(0, str(made.joinpath(*package.split("."))))
    return True


def what_runs() -> str:
    """What the modules of this process are."""
    origins = [getattr(sys.modules.get(name), "__file__", None) or ".py" for name in NAMES]
    return "sources" if any(origin.endswith(".py") for origin in origins) else "machine code"
