"""What ``manage.py`` runs: finds the interpreter, then the command."""

import os
import sys
from importlib import import_module
from typing import Final

from momentry.common.env import ConfigurationError
from momentry.supervisor import interpreter
from momentry.supervisor.errors import CannotStartError

USAGE: Final = """\
python3 manage.py up       start everything and print where it is (--help for options)
python3 manage.py test     lint, types and tests (--all for the slow ones too)
python3 manage.py gateway  the public port alone (--workers N)
python3 manage.py echo     the bundled echo upstream (--port N)
python3 manage.py help     Django's commands: migrate, serve, relay, createsuperuser, ...
"""


# By name, so that each command loads only what it runs on: `echo` works on a bare Python, `up`
# stays small in memory, and the gateway never loads Django.
OWN: Final = {
    "up": "momentry.supervisor.up",
    "echo": "momentry.supervisor.echo",
    "test": "momentry.supervisor.checks",
    "gateway": "proxy.gateway.server",
    "generate_secret": "momentry.common.crypto.generate",
}


def run(argv: list[str]) -> int:
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
    if command in OWN:
        return int(import_module(OWN[command]).main(argv[2:]) or 0)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "momentry.settings")
    import_module("django.core.management").execute_from_command_line(argv)
    return 0
