"""manage.py audit_export: events, oldest first, as JSON lines or CSV."""

from argparse import ArgumentParser
from typing import Any, Final

from django.core.management import BaseCommand, CommandError
from django.db.models import Q

from apikeys.management.arguments import moment
from apikeys.management.output import target
from events.chain.export import CSV, JSON_LINES, start_export
from events.kinds import Kind

EXACT: Final = ("kind", "actor", "subject")
TIMES: Final = {"since": "occurred_at__gte", "until": "occurred_at__lt"}


class Command(BaseCommand):
    help = (
        "Write events with their details, oldest first, to a new file that only this user reads, or"
        " to standard output. Only events that meet all conditions."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--format", choices=[JSON_LINES, CSV], default=JSON_LINES)
        parser.add_argument("--output", metavar="FILE", help="Without it: standard output.")
        parser.add_argument("--since", type=moment, metavar="TIME", help="From this time on.")
        parser.add_argument("--until", type=moment, metavar="TIME", help="Up to, not including.")
        parser.add_argument("--kind", choices=[kind.value for kind in Kind], metavar="KIND")
        parser.add_argument("--subject", metavar="KIND:ID", help="What it happened to.")
        parser.add_argument("--actor", metavar="KIND:ID", help="Who did it.")

    def handle(self, *_: Any, **options: Any) -> None:
        given = {name: options[name] for name in (*EXACT, *TIMES) if options[name] is not None}
        if any("\0" in str(value) for value in given.values()):
            raise CommandError("A condition holds a NUL.")
        wanted = Q(**{TIMES.get(name, name): value for name, value in given.items()})
        filters = {name: str(value) for name, value in given.items()}
        form = options["format"]
        with target(options["output"], self.stdout) as out:
            for text in start_export(wanted, form, actor="command", filters=filters):
                out.write(text)
            out.put_down()
