"""What ``manage.py`` and ``momentry`` run: finds the interpreter, then the command."""

import atexit
import gc
import os
import sys
from importlib import import_module
from typing import Final

from momentry.common.env import ConfigurationError
from momentry.supervisor import interpreter
from momentry.supervisor.errors import CannotStartError

USAGE: Final = """\
python3 manage.py up       start everything and print where it is (--help for options)
python3 manage.py restart  replace the processes of a running `up`; no request fails
python3 manage.py test     lint, types and tests (--all for the slow ones too)
python3 manage.py gateway  the public port alone (--workers N)
python3 manage.py compile  the gateway's busiest modules, with a C compiler: it takes half the CPU
python3 manage.py echo     the bundled echo upstream (--port N)
python3 manage.py apikey   API keys: issue, batches, export, import (also api-key; --help)
python3 manage.py upstream upstreams: list, show, create, update, delete, test (--help)
python3 manage.py scan_leaks  keys in files or a git history (--offline: without a database)
python3 manage.py help     Django's commands: migrate, serve, relay, createsuperuser, ...
Installed as a package, the same is: momentry COMMAND (up and test need the checkout).
"""


# By name, so that each command loads only what it runs on: `echo` works on a bare Python, `up`
# stays small in memory, and the gateway never loads Django.
OWN: Final = {
    "up": "momentry.supervisor.up",
    "restart": "momentry.supervisor.restart",
    "echo": "momentry.supervisor.echo",
    "test": "momentry.supervisor.checks",
    "gateway": "proxy.gateway.__main__",
    "compile": "momentry.supervisor.compiling",
    "generate_secret": "momentry.common.crypto.generate",
}


ALIASES: Final = {"api-key": "apikey"}
# With `--offline` these ask for neither settings nor a database.
OFFLINE: Final = {"scan_leaks": "apikeys.leaks.command"}


def main() -> int:
    """The script ``momentry`` of an installed package."""
    return run(sys.argv)


def run(argv: list[str]) -> int:
    argv = [*argv[:1], *(ALIASES.get(name, name) for name in argv[1:2]), *argv[2:]]
    command = argv[1] if len(argv) > 1 else ""
    if command in {"", "-h", "--help"}:
        print(USAGE, end="")
        return 0
    try:
        if command != "echo":
            interpreter.enter(command, argv)
        return dispatch(command, argv)
    except (CannotStartError, ConfigurationError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def dispatch(command: str, argv: list[str]) -> int:
    own = OWN.get(command) or (OFFLINE.get(command) if "--offline" in argv[2:] else None)
    if own is not None:
        return int(import_module(own).main(argv[2:]) or 0)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "momentry.settings")
    atexit.register(gc.freeze)  # to look through all of Django once more would take half a second
    import_module("django.core.management").execute_from_command_line(argv)
    return 0
