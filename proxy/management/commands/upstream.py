"""manage.py upstream VERB: upstreams from the command line, by the services of REST."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand

from momentry.common.fence.wait import wait
from proxy.management import verbs
from proxy.management.inputs import setting
from proxy.management.told import told


class Command(BaseCommand):
    help = "Upstreams: list, show, create, update, delete, test. No credential is an argument."

    def add_arguments(self, parser: ArgumentParser) -> None:
        found = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        add(found, "list", verbs.list_all, "Print upstreams by slug.")
        add_slug(add(found, "show", verbs.show, "Print one upstream, credentials masked."))
        verb = add_slug(add(found, "create", verbs.create, "Make an upstream."))
        add_fields(verb)
        add_credential(verb)
        verb = add_slug(add(found, "update", verbs.update, "Change what is named."))
        add_fields(verb)
        add_credential(verb).add_argument(
            "--no-credential", action="store_true", help="Take it away."
        )
        verb.add_argument("--for", metavar="URL", dest="only", help="Only the credential of this.")
        verb = add_slug(add(found, "delete", verbs.delete, "Remove it with its grants."))
        verb.add_argument("--yes", action="store_true", help="Do it.")
        verb = add_slug(add(found, "test", verbs.test, "Send one GET to each active target."))
        verb.add_argument("--path", default="", help="Below each base URL.")

    def handle(self, *_: Any, **options: Any) -> None:
        with told():
            options["run"](self, options)
            wait()  # when this returns, every gateway follows what it changed


def add(found: Any, name: str, run: Any, text: str) -> ArgumentParser:
    verb: ArgumentParser = found.add_parser(name, help=text, description=text)
    verb.set_defaults(run=run)
    verb.add_argument("--json", action="store_true", help="As REST shows it.")
    return verb


def add_slug(verb: ArgumentParser) -> ArgumentParser:
    verb.add_argument("slug", metavar="SLUG")
    return verb


def add_fields(verb: ArgumentParser) -> None:
    verb.add_argument("--name", help="For people; the slug without it.")
    verb.add_argument(
        "--url", action="append", metavar="URL", dest="urls",
        help="Base URL of a target; can be repeated. All that there are from now on.",
    )  # fmt: skip
    verb.add_argument(
        "--set", action="append", metavar="FIELD=VALUE", dest="fields", type=setting, default=[],
        help="Any other field of REST, such as usage_format=openai or total_timeout_ms=null.",
    )  # fmt: skip


def add_credential(verb: ArgumentParser) -> Any:
    """Not as an argument: everybody on the machine reads those."""
    either = verb.add_mutually_exclusive_group()
    either.add_argument(
        "--credential-file", metavar="FILE", help="It holds the credential; - is standard input."
    )
    either.add_argument("--ask-credential", action="store_true", help="Ask for it, unseen.")
    return either
