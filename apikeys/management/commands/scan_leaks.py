"""manage.py scan_leaks: keys in files or a git history. With --offline manage.py runs
apikeys.leaks.command by itself, without Django.
"""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError

from apikeys.gate.effects import DatabaseUnavailable
from apikeys.leaks.command import HELP, add_arguments, run
from apikeys.leaks.reporting import FAILED
from apikeys.leaks.scan import Judge, Offline
from apikeys.services.leakscan import Installation, known_formats
from momentry.common.fence.wait import wait


class Command(BaseCommand):
    help = HELP

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        for stream in (self.stdout, self.stderr):
            stream.ending = ""
            stream.style_func = None
        if options["offline"]:
            code = self.scan(options, Offline(), options["format"])
        else:
            code = self.ask_database(options)
        if code:
            sys.exit(code)

    def ask_database(self, options: dict[str, Any]) -> int:
        try:
            judge = Installation(dry_run=options["dry_run"])
            code = self.scan(options, judge, known_formats())
            wait()  # when this returns, no gateway admits what it ended
        except (OperationalError, InterfaceError, DatabaseUnavailable):
            why = "The database does not answer. With --offline it is not asked."
            raise CommandError(why, returncode=FAILED) from None
        return code

    def scan(self, options: dict[str, Any], judge: Judge, formats: list[str]) -> int:
        return run(options, judge, formats, self.stdout, self.stderr)
