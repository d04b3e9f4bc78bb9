"""How ``scan_leaks`` says what it found: lines or JSON, progress beside it. Standard library only.

Nothing prints a whole key: of one that stands in a file's name no more is left than of one that
stands in the file.
"""

import json
import time
from typing import Any, Final

from apikeys.leaks.scan import Finding, Scan, Verdict
from apikeys.management.progress import Stream
from momentry.common.ownkeys import without_keys

FOUND: Final = 1
FAILED: Final = 2
BAR_EVERY_SECONDS: Final = 0.1
LINE_EVERY_SECONDS: Final = 2.0
VERDICTS: Final = {
    Verdict.REAL: "real key",
    Verdict.UNKNOWN: "no key of this installation",
    Verdict.UNCHECKED: "form of a key",
}


class Reporter:
    """Findings go to ``out``, all else to ``err``. ``scan``: what is reported on."""

    scan: Scan

    def __init__(self, out: Stream, err: Stream, *, as_json: bool, quiet: bool) -> None:
        self.out = out
        self.err = err
        self.as_json = as_json
        self.quiet = quiet
        self.terminal = not quiet and err.isatty()
        self.found = dict.fromkeys(Verdict, 0)
        self.faults = 0
        self.shown_at = time.monotonic()

    def tell(self, finding: Finding) -> None:
        self.found[finding.judged.verdict] += 1
        self.clear()
        line = json.dumps(document(finding)) if self.as_json else sentence(finding)
        self.out.write(f"{line}\n")
        self.out.flush()

    def fault(self, name: str, why: str) -> None:
        """What could not be read; the rest was."""
        self.faults += 1
        self.clear()
        self.err.write(f"{printable(name)}: {why}\n")

    def fail(self, why: str) -> int:
        """Nothing more can be looked at."""
        self.faults += 1
        self.clear()
        self.err.write(f"{printable(why)}\n")
        return self.code

    def end(self) -> int:
        self.clear()
        if not self.quiet:
            self.err.write(f"{self.sums()}.\n")
        return self.code

    @property
    def code(self) -> int:
        if self.found[Verdict.REAL] or self.found[Verdict.UNCHECKED]:
            return FOUND
        return FAILED if self.faults else 0

    def tick(self) -> None:
        if self.quiet:
            return
        now = time.monotonic()
        if now - self.shown_at < (BAR_EVERY_SECONDS if self.terminal else LINE_EVERY_SECONDS):
            return
        self.shown_at = now
        text = self.sums()
        self.err.write(f"\r\x1b[K{text} …" if self.terminal else f"{text} …\n")
        self.err.flush()

    def clear(self) -> None:
        if self.terminal:
            self.err.write("\r\x1b[K")

    def sums(self) -> str:
        what = "object" if self.scan.history else "file"
        many = "" if self.scan.sources == 1 else "s"
        size = self.scan.searcher.done / 1_000_000
        found = sum(self.found.values())
        unread = f", {self.faults:,} unreadable" if self.faults else ""
        return f"{self.scan.sources:,} {what}{many}, {size:,.1f} MB, {found:,} found{unread}"


def document(finding: Finding) -> dict[str, Any]:
    """Members that are not known are left out."""
    place, judged = finding
    known = {
        "key": place.candidate.shown,
        "verdict": judged.verdict.value,
        "key_id": judged.key_id,
        "done": judged.done,
        "file": printable(place.file),
        "object": place.name if place.is_object else "",
        "commit": place.commit,
        "line": place.line,
        "offset": place.offset,
    }
    return {name: value for name, value in known.items() if value != ""}


def sentence(finding: Finding) -> str:
    place, judged = finding
    done = f", {judged.done}" if judged.done else ""
    return f"{printable(place.where)}: {place.candidate.shown} {VERDICTS[judged.verdict]}{done}"


def printable(text: str) -> str:
    """Without keys, and without what a terminal would obey."""
    seen = "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
    return without_keys(seen)
