"""manage.py apikey VERB: keys from the command line, by the services of REST and the admin."""

from argparse import ArgumentParser
from typing import Any, Final

from django.core.management import BaseCommand

from apikeys.gate.scopes import ROLES
from apikeys.management import bulk, single
from apikeys.management.arguments import add_activity, add_conditions, grace, key_id
from apikeys.services.bulk.export import CSV, JSON_LINES
from momentry.common.fence.wait import wait

ONE: Final = {
    "show": (single.show, "Print one key as JSON, masked."),
    "disable": (single.disable, "Stop a key until it is enabled."),
    "enable": (single.enable, "Let a disabled key work again."),
    "revoke": (single.revoke, "End a key for good."),
    "quarantine": (single.quarantine, "End a key that leaked, old secrets included."),
    "rotate": (single.rotate, "Print a new secret, once; the old one works for the grace."),
}


class Command(BaseCommand):
    help = "API keys: issue, look, change, end; many at once from a file or by conditions."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        add_issue(verbs)
        add_listing(verbs)
        for name, (run, text) in ONE.items():
            verb = add(verbs, name, run, text)
            verb.add_argument("id", type=key_id, help="The key's id, as lists show it.")
            if name == "rotate":
                verb.add_argument("--grace", type=grace, metavar="SECONDS", help="0 to 2592000.")
            if name == "quarantine":
                verb.add_argument("--reason", default="", help="Kept in the event.")
        add_files(verbs)
        add_revoke(verbs)

    def handle(self, *_: Any, **options: Any) -> None:
        with bulk.told(self):
            options["run"](self, options)
            wait()  # when this returns, no gateway admits what it ended


def add(verbs: Any, name: str, run: Any, text: str) -> ArgumentParser:
    verb: ArgumentParser = verbs.add_parser(name, help=text, description=text)
    verb.set_defaults(run=run)
    return verb


def add_issue(verbs: Any) -> None:
    verb = add(verbs, "issue", single.issue, "Issue a service a key, once.")
    verb.add_argument("--service-name", required=True)
    verb.add_argument("--role", required=True, choices=sorted(ROLES))
    verb.add_argument("--name", default="", help="Defaults to the service's name.")


def add_listing(verbs: Any) -> None:
    verb = add(verbs, "list", single.list_keys, "Print keys, newest first, masked.")
    add_conditions(verb)
    add_activity(verb)
    verb = add(verbs, "export", bulk.export, "Write keys out: no secret, no digest.")
    verb.add_argument("--format", choices=[CSV, JSON_LINES], default=JSON_LINES)
    verb.add_argument("--output", metavar="FILE", help="A new file; standard output without it.")
    add_conditions(verb)
    add_activity(verb)


def add_files(verbs: Any) -> None:
    verb = add(verbs, "batch-create", bulk.create, "Issue every key of a file, or none.")
    verb.add_argument("--file", required=True, help='JSON: {"keys": [...]}; - is standard input.')
    verb.add_argument("--owner", metavar="USERNAME|ID", help="Of members' keys that name none.")
    verb.add_argument("--template", metavar="SLUG", help="Of entries that name none.")
    verb.add_argument("--out", metavar="FILE", help="A new file for the secrets, one JSON a line.")
    verb.add_argument("--dry-run", action="store_true", help="Only say what is wrong.")
    verb = add(verbs, "import", bulk.import_keys, "Import every key of a file, or none.")
    verb.add_argument("--file", required=True, help="JSON or JSON lines; - is standard input.")
    verb.add_argument("--dry-run", action="store_true", help="Only say what is wrong.")


def add_revoke(verbs: Any) -> None:
    verb = add(verbs, "batch-revoke", bulk.revoke, "Revoke every key that conditions hold for.")
    add_conditions(verb)
    verb.add_argument("--dry-run", action="store_true", help="Print the keys that would go.")
    verb.add_argument("--yes", action="store_true", help="Do it.")
    verb.add_argument("--expect", type=int, metavar="N", help="Only if just so many match.")
