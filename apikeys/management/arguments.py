"""Arguments that several verbs of ``apikey`` take, read into what the services take."""

import re
from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.core.management import CommandError

from apikeys.api.entries import members
from apikeys.gate.scopes import ROLES
from apikeys.models import KeyType
from apikeys.services.bulk.select import Conditions
from apikeys.services.rotate import MAX_GRACE

DIGITS: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
TEXTS: Final = ("key_type", "role", "tier", "template", "service_name", "name_contains")
TIMES: Final = ("created_before", "expires_before", "unused_since")


def key_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ArgumentTypeError("is not the id of a key") from None


def grace(text: str) -> timedelta:
    """Seconds, 0 to 30 days."""
    found = timedelta(seconds=int(text)) if DIGITS.fullmatch(text) else None
    if found is None or found > MAX_GRACE:
        raise ArgumentTypeError(f"is not from 0 to {int(MAX_GRACE.total_seconds())}")
    return found


def moment(text: str) -> datetime:
    """A date or a time of ISO 8601; without an offset it is UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError("is not a date or time such as 2026-06-01") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals or "\0" in text:
        raise ArgumentTypeError("is not KEY=VALUE")
    return name, value


def add_conditions(verb: ArgumentParser) -> None:
    group = verb.add_argument_group("conditions, all of which must hold")
    group.add_argument("--owner", metavar="USERNAME|ID", help="The member whose keys they are.")
    group.add_argument("--key-type", choices=KeyType.values)
    group.add_argument("--role", choices=sorted(ROLES))
    group.add_argument("--tier", metavar="SLUG", help="The key's own tier.")
    group.add_argument("--template", metavar="SLUG")
    group.add_argument("--service-name", metavar="NAME")
    group.add_argument("--name-contains", metavar="TEXT", help="Part of the name.")
    group.add_argument("--created-before", metavar="TIME", type=moment)
    group.add_argument("--expires-before", metavar="TIME", type=moment)
    group.add_argument(
        "--unused-since", metavar="TIME", type=moment, help="Last used before, or never and older."
    )
    group.add_argument(
        "--metadata", metavar="KEY=VALUE", type=pair, action="append", help="Can be repeated."
    )


def add_activity(verb: ArgumentParser) -> None:
    either = verb.add_mutually_exclusive_group()
    either.add_argument("--active", action="store_true", default=None, help="Usable just now.")
    either.add_argument("--inactive", action="store_false", dest="active", help="Not usable now.")


def conditions_of(options: dict[str, Any]) -> Conditions:
    """CommandError when the owner is nobody."""
    texts: dict[str, Any] = {name: options.get(name) or "" for name in TEXTS}
    times: dict[str, Any] = {name: options.get(name) for name in TIMES}
    return Conditions(
        owner=owner_of(options["owner"]) if options.get("owner") else None,
        metadata_text=dict(options.get("metadata") or ()),
        active=options.get("active"),
        **texts,
        **times,
    )


def owner_of(text: str) -> UUID:
    found = members({text}).get(text.casefold())
    if found is None:
        raise CommandError(f"{text} is neither the id nor the username of a member.")
    return found
