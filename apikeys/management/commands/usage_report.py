"""manage.py usage_report: what was used, as CSV, JSON or one HTML page."""

from argparse import ArgumentParser
from typing import Any, Final

from django.core.management import BaseCommand, CommandError
from django.utils import timezone

from apikeys.api.usageforms import UsageFilters, question
from apikeys.management.output import target
from apikeys.usage.query import FIELDS, Question
from apikeys.usage.report import CSV, HTML, JSON, write_report
from momentry.common.errors import MomentryError

GIVEN: Final = ("from", "to", "group_by", *FIELDS)


class Command(BaseCommand):
    help = "Report usage by time, key, member, upstream, operation, status or model. Times are UTC."

    def add_arguments(self, parser: ArgumentParser) -> None:
        for name, text in (("from", "30 days ago without it."), ("to", "Not included; now.")):
            parser.add_argument(f"--{name}", dest=name, metavar="DATE", help=text)
        parser.add_argument(
            "--group-by", metavar="NAMES", help="Up to 3, parted by commas; day without it."
        )
        parser.add_argument("--format", choices=[CSV, JSON, HTML], default=CSV)
        parser.add_argument("--output", metavar="FILE", help="A new file; else standard output.")
        for name in FIELDS:
            parser.add_argument(f"--{name}", help="Only such calls.")

    def handle(self, *_: Any, **options: Any) -> None:
        asked = asked_by(options)
        with target(options["output"], self.stdout) as out:
            try:
                for text in write_report(asked, options["format"], timezone.now()):
                    out.write(text)
            except MomentryError as error:
                raise CommandError(sentence(error)) from None
            out.put_down()


def asked_by(options: dict[str, Any]) -> Question:
    given = {name: options[name] for name in GIVEN if options.get(name) is not None}
    form = UsageFilters(data=given)
    if not form.is_valid():
        name, problems = next(iter(form.errors.items()))
        raise CommandError(f"--{name.replace('_', '-')} {problems[0]}")
    try:
        return question(dict(form.validated_data), timezone.now())
    except MomentryError as error:
        raise CommandError(sentence(error)) from None


def sentence(error: MomentryError) -> str:
    problem = error.extra["errors"][0]
    return f"--{problem['pointer'].strip('?').replace('_', '-')} {problem['detail']}"
