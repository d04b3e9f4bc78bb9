"""What the verbs of ``upstream`` are given: fields, and a credential that is never an argument."""

import getpass
import json
import sys
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any, Final, NoReturn

from django.core.management import CommandError

from proxy.services.wanted import MAX_CREDENTIAL

# Named in ways of their own: a credential inside them would be an argument.
ELSEWHERE: Final = frozenset({"slug", "name", "targets", "credentials", "api_key"})


def setting(text: str) -> tuple[str, Any]:
    """FIELD=VALUE; the value as JSON, and as it is where it is none."""
    name, equals, value = text.partition("=")
    if not name or not equals or name in ELSEWHERE:
        raise ArgumentTypeError("is not FIELD=VALUE of a field that can be set so")
    try:
        return name, json.loads(value, parse_constant=refuse)
    except ValueError:
        return name, value


def refuse(_: str) -> NoReturn:
    """NaN and Infinity are no JSON."""
    raise ValueError


def credential_of(options: dict[str, Any]) -> str | None:
    """None when none is given. CommandError, which does not repeat it."""
    if options["ask_credential"]:
        if not sys.stdin.isatty():
            raise CommandError("There is no terminal to ask on: use --credential-file.")
        return checked(getpass.getpass("Credential: "))
    path = options["credential_file"]
    if path is None:
        return None
    try:
        with sys.stdin.buffer if path == "-" else Path(path).open("rb") as file:
            return checked(file.read(MAX_CREDENTIAL + 3).decode().removesuffix("\n"))
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise CommandError("The credential is not text.") from None


def checked(text: str) -> str:
    text = text.removesuffix("\r")
    if not text:
        raise CommandError("The credential is empty.")
    return text
