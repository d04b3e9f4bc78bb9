"""``scan_leaks``: its arguments, what it prints, and its exit code. Standard library only: with
``--offline`` it runs where there are neither settings nor a database.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any, Final

from apikeys.foreign import is_format
from apikeys.leaks.history import HistoryError
from apikeys.leaks.patterns import imported
from apikeys.leaks.places import STANDARD_INPUT
from apikeys.leaks.reading import Searcher
from apikeys.leaks.reporting import Reporter
from apikeys.leaks.scan import Judge, Offline, Scan
from apikeys.management.progress import Stream

HELP: Final = (
    "Look for API keys in files, standard input or a git history. As LEAK_POLICY says, real ones "
    "are quarantined and their owners told. Exit code: 0 none found, 1 found, 2 failed."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH|-", help="A file, a directory, or standard input.")
    parser.add_argument(
        "--history", action="store_true", help="All that the git repository at PATH ever held."
    )
    parser.add_argument(
        "--offline", action="store_true", help="Ask no database: form and checksum alone."
    )
    parser.add_argument("--dry-run", action="store_true", help="Only say which keys are real.")
    parser.add_argument("--json", action="store_true", help="One JSON object for each key found.")
    parser.add_argument("--quiet", action="store_true", help="No progress and no sums.")
    parser.add_argument(
        "--format", action="append", default=[], type=begin_of_imported, metavar="TEXT",
        help="With --offline: what imported keys begin with, such as sk-auto-. Can be repeated.",
    )  # fmt: skip


def begin_of_imported(text: str) -> str:
    if not is_format(text):
        raise argparse.ArgumentTypeError("is not 3 to 16 of 0-9 A-Z a-z _ -, or begins as ours do")
    return text


def main(words: list[str]) -> int:
    """``manage.py scan_leaks --offline``."""
    parser = argparse.ArgumentParser(prog="manage.py scan_leaks", description=HELP)
    add_arguments(parser)
    options = vars(parser.parse_args(words))
    return run(options, Offline(), options["format"], sys.stdout, sys.stderr)


def run(
    options: dict[str, Any], judge: Judge, formats: Sequence[str], out: Stream, err: Stream
) -> int:
    """The exit code. Raises what the judge raises."""
    reporter = Reporter(out, err, as_json=options["json"], quiet=options["quiet"])
    if options["history"] and options["path"] == STANDARD_INPUT:
        return reporter.fail("A history is that of a directory.")
    searcher = Searcher(imported(formats), reporter.tick)
    scan = Scan(options["path"], searcher, judge, reporter.fault, options["history"])
    reporter.scan = scan
    try:
        for finding in scan.run():
            reporter.tell(finding)
    except HistoryError as error:
        return reporter.fail(str(error))
    return reporter.end()
