"""`audit_verify`: proves the chain of events, or names the first row that is not as it was."""

import re
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from events.chain.canon import Link
from events.chain.state import BrokenError, UnprovableError
from events.chain.verify import Report, Walk

BROKEN: Final = 1
UNPROVABLE: Final = 2
HEAD: Final = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})", re.ASCII)


class Command(BaseCommand):
    help = (
        "Prove that no sealed event was altered, taken away or moved. Exit code 0: all are whole;"
        " 1: one is not, and is named; 2: it cannot be said."
    )
    requires_system_checks: list[str] = []  # it needs the models and the key ring, no pages

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--head",
            type=head,
            action="append",
            default=[],
            metavar="ROW:HASH",
            help="An end of the chain as the log or a webhook told it: nothing up to it may be"
            " missing. Can be repeated.",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            report = Walk(options["head"]).run()
        except BrokenError as error:
            raise CommandError(str(error), returncode=BROKEN) from None
        except UnprovableError as error:
            raise CommandError(str(error), returncode=UNPROVABLE) from None
        self.tell(report)

    def tell(self, report: Report) -> None:
        self.stdout.write(
            f"All {report.rows} sealed events are whole; the chain ends at {report.head}."
        )
        if report.base.seq:
            self.stdout.write(f"Retention let go rows up to {report.base.seq}.")
        if report.erased:
            self.stdout.write(f"The details of {report.erased} were erased.")
        if report.waiting:
            self.stdout.write(f"{report.waiting} wait to be sealed.")
        if report.refused:
            for event in report.named:
                self.stdout.write(f"{event} cannot be proved")
            raise CommandError(
                f"{report.refused} events cannot be proved: not recorded by us, or altered"
                " before they were sealed.",
                returncode=BROKEN,
            )


def head(text: str) -> Link:
    found = HEAD.fullmatch(text)
    if found is None:
        raise ArgumentTypeError("is not ROW:HASH, as the log tells it")
    return Link(int(found[1]), bytes.fromhex(found[2]))
