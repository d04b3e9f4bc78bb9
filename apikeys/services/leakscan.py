"""What this installation says of keys that ``scan_leaks`` found, and does about real ones."""

from collections.abc import Iterable, Sequence
from typing import Final

from apikeys import foreign
from apikeys.gate.imported import FORMATS_SQL
from apikeys.leaks.reporting import printable
from apikeys.leaks.scan import Finding, Judged, Place, Verdict, key_id_of
from apikeys.models import ApiKey, ForeignSecret, LeakOutcome
from apikeys.services.gate import fetch
from apikeys.services.leaks import Proven, Report, find_key, outcome_of, take_leak

ACTOR: Final = "command"
ORIGIN: Final = "scan"
MOST_REMEMBERED: Final = 10_000


def known_formats() -> list[str]:
    """What imported secrets begin with."""
    return [row[0] for row in fetch(FORMATS_SQL, {})]


class Installation:
    """``dry_run``: only says which are real. Raises what find_key() and the database raise."""

    def __init__(self, *, dry_run: bool) -> None:
        self.dry_run = dry_run
        self.known: dict[str, Proven | None] = {}

    def judge(self, places: Sequence[Place], /) -> Sequence[Judged | None]:
        if len(self.known) > MOST_REMEMBERED:
            self.known.clear()
        self.learn(places)
        return [self.judge_one(place) for place in places]

    def learn(self, places: Sequence[Place]) -> None:
        """Most of what begins as an imported secret is none: one query tells for all."""
        own = {place.candidate.texts[0] for place in places if place.candidate.is_own}
        rest = (place.candidate.texts for place in places if not place.candidate.is_own)
        others = {text for texts in rest for text in texts} - self.known.keys()
        self.known |= dict.fromkeys(others)
        for text in own - self.known.keys() | possible(others):
            self.known[text] = find_key(text)

    def judge_one(self, place: Place) -> Judged | None:
        found = self.proven(place)
        if found is None:
            own = place.candidate.is_own
            return Judged(Verdict.UNKNOWN, key_id_of(place.candidate)) if own else None
        return Judged(Verdict.REAL, found[1].key_id.hex)

    def proven(self, place: Place) -> tuple[str, Proven] | None:
        """Which of the texts it is, and of which key."""
        found = ((text, self.known[text]) for text in place.candidate.texts)
        return next(((text, proven) for text, proven in found if proven is not None), None)

    def deal_with(self, finding: Finding, /) -> str:
        place = finding.place
        found = self.proven(place)
        assert found is not None  # noqa: S101  judge() said so
        secret, proven = found
        if not self.dry_run:
            source = "history" if place.is_object else "file"
            report = Report(ORIGIN, source, printable(place.where))
            return take_leak(proven, report, secret=secret, actor=ACTOR).value
        outcome = outcome_of(ApiKey.objects.get(pk=proven.key_id), proven)
        return outcome.value if outcome == LeakOutcome.ENDED else ""


def possible(texts: Iterable[str]) -> set[str]:
    """Those that an imported secret may be, by where it would be found."""
    lookups = {text: foreign.lookups(text) for text in texts}
    every = {lookup for found in lookups.values() for lookup in found}
    rows = ForeignSecret.objects.filter(lookup__in=every) if every else ForeignSecret.objects.none()
    known = set(rows.values_list("lookup", flat=True))
    return {text for text, found in lookups.items() if not known.isdisjoint(found)}
