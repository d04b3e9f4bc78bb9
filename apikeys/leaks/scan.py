"""The search behind ``manage.py scan_leaks``: places in, findings out. Standard library only; who
can tell which keys are real (a ``Judge``) is given.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from apikeys.leaks.history import History
from apikeys.leaks.patterns import Candidate
from apikeys.leaks.places import STANDARD_INPUT, Fault, Source, files, standard_input
from apikeys.leaks.reading import Hit, Searcher

AT_ONCE: Final = 200
MOST_COMMITS: Final = 100  # for each of them git goes through all of the history


class Verdict(StrEnum):
    """REAL: it is, or was, the secret of a key of this installation. UNKNOWN: form and checksum
    hold, and it is none. UNCHECKED: nobody was asked."""

    REAL = "real"
    UNKNOWN = "unknown"
    UNCHECKED = "unchecked"


class Judged(NamedTuple):
    """``key_id``: 32 digits, "" when it is not known. ``done``: what became of the key."""

    verdict: Verdict
    key_id: str = ""
    done: str = ""


class Place(NamedTuple):
    """``name``: a path, or the id of a repository's object (``is_object``); ``path``: where that
    was a file; ``commit``: which brought it. ``offset``: bytes; ``line``: from 1."""

    candidate: Candidate
    name: str
    offset: int
    line: int
    is_object: bool = False
    path: str = ""
    commit: str = ""

    @property
    def file(self) -> str:
        return self.path if self.is_object else self.name

    @property
    def where(self) -> str:
        known = (self.commit[:12], self.file or self.name, str(self.line))
        return ":".join(part for part in known if part)


class Finding(NamedTuple):
    place: Place
    judged: Judged


class Judge(Protocol):
    """Of each place; None for what is no secret after all (an imported one has no checksum)."""

    def judge(self, places: Sequence[Place], /) -> Sequence[Judged | None]: ...


class Offline:
    """Asks nobody."""

    def judge(self, places: Sequence[Place], /) -> Sequence[Judged | None]:
        return [Judged(Verdict.UNCHECKED, key_id_of(place.candidate)) for place in places]


def key_id_of(candidate: Candidate) -> str:
    return candidate.texts[0].split("_")[1] if candidate.is_own else ""


@dataclass
class Scan:
    """``path``: STANDARD_INPUT, a file or a directory; with ``history`` a repository."""

    path: str
    searcher: Searcher
    judge: Judge
    fault: Fault
    history: bool = False
    sources: int = 0

    def run(self) -> Iterator[Finding]:
        """Raises HistoryError and what the judge raises."""
        places: list[Place] = []
        for place in self.in_history() if self.history else self.hits(self.streams()):
            places.append(place)
            if len(places) == AT_ONCE:
                yield from self.judged(places)
                places = []
        yield from self.judged(places)

    def streams(self) -> Iterator[Source]:
        if self.path == STANDARD_INPUT:
            return standard_input()
        return files(Path(self.path), self.fault)

    def in_history(self) -> Iterator[Place]:
        history = History(Path(self.path))
        found = list(self.hits(history.objects()))
        return located(history, found)

    def hits(self, sources: Iterable[Source]) -> Iterator[Place]:
        for source in sources:
            self.sources += 1
            try:
                for hit in self.searcher.search(source.fill):
                    yield place_of(source.name, hit, self.history)
            except OSError as error:
                self.fault(source.name, error.strerror or type(error).__name__)

    def judged(self, places: list[Place]) -> Iterator[Finding]:
        if not places:
            return
        for place, judged in zip(places, self.judge.judge(places), strict=True):
            if judged is not None:
                yield Finding(place, judged)


def place_of(name: str, hit: Hit, is_object: bool) -> Place:
    return Place(hit.candidate, name, hit.offset, hit.line, is_object)


def located(history: History, places: list[Place]) -> Iterator[Place]:
    """With the file that each object was, and the commit that brought it."""
    paths = history.paths_of({place.name for place in places}) if places else {}
    commits: dict[str, str] = {}
    for place in places:
        name = place.name
        if name in paths and name not in commits and len(commits) < MOST_COMMITS:
            commits[name] = history.commit_of(name)
        yield place._replace(path=paths.get(name, ""), commit=commits.get(name, ""))
