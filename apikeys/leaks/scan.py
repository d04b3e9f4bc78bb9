"""The search behind ``manage.py scan_leaks``: places in, findings out. Standard library only; who
can tell which keys are real (a ``Judge``) is given.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple, Protocol, Self

from apikeys.leaks.history import History, HistoryError
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

    def at(self, paths: Mapping[str, str], commits: Mapping[str, str]) -> Self:
        """``paths`` and ``commits`` by name."""
        return self._replace(path=paths.get(self.name, ""), commit=commits.get(self.name, ""))

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
    """``judge``: of each place; None for what is no secret after all (an imported one has no
    checksum). ``deal_with``: what becomes of the key of a real one, once it is known where it is.
    """

    def judge(self, places: Sequence[Place], /) -> Sequence[Judged | None]: ...

    def deal_with(self, finding: Finding, /) -> str: ...


class Offline:
    """Asks nobody."""

    def judge(self, places: Sequence[Place], /) -> Sequence[Judged | None]:
        return [Judged(Verdict.UNCHECKED, key_id_of(place.candidate)) for place in places]

    def deal_with(self, finding: Finding, /) -> str:
        return ""


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

    def __post_init__(self) -> None:
        self.commits: dict[str, str] = {}

    def run(self) -> Iterator[Finding]:
        """Raises HistoryError, when all that was found by then was dealt with, and what the judge
        raises."""
        repository = History(Path(self.path), self.fault) if self.history else None
        places: list[Place] = []
        broken: HistoryError | None = None
        try:
            for place in self.hits(self.sources_of(repository)):
                places.append(place)
                if len(places) == AT_ONCE:
                    found, places = places, []
                    yield from self.findings(found, repository)
        except HistoryError as error:
            broken = error
        yield from self.findings(places, repository)
        if broken is not None:
            raise broken

    def sources_of(self, repository: History | None) -> Iterator[Source]:
        if repository is not None:
            return repository.objects()
        if self.path == STANDARD_INPUT:
            return standard_input()
        return files(Path(self.path), self.fault)

    def hits(self, sources: Iterable[Source]) -> Iterator[Place]:
        for source in sources:
            self.sources += 1
            try:
                for hit in self.searcher.search(source.fill):
                    yield place_of(source.name, hit, self.history)
            except OSError as error:
                self.fault(source.name, error.strerror or type(error).__name__)

    def findings(self, places: list[Place], repository: History | None) -> Iterator[Finding]:
        """Judged, then located, and then dealt with: finding where something is in a history takes
        longest, and most of what looks like an imported secret is none."""
        judged = zip(places, self.judge.judge(places) if places else (), strict=True)
        found = [Finding(place, verdict) for place, verdict in judged if verdict is not None]
        if repository is not None:
            found = self.located(found, repository)
        for finding in found:
            verdict = finding.judged
            if verdict.verdict is Verdict.REAL:
                verdict = verdict._replace(done=self.judge.deal_with(finding))
            yield finding._replace(judged=verdict)

    def located(self, found: list[Finding], repository: History) -> list[Finding]:
        """With the file that each object was, and the commit that brought it, as far as git can
        say."""
        wanted = {f.place.name for f in found if f.judged.verdict is not Verdict.UNKNOWN}
        paths: dict[str, str] = {}
        try:
            paths = repository.paths_of(wanted) if wanted else {}
            for name in sorted(paths.keys() - self.commits.keys()):
                if len(self.commits) < MOST_COMMITS:
                    self.commits[name] = repository.commit_of(name)
        except HistoryError as error:
            self.fault(self.path, str(error))
        return [finding._replace(place=finding.place.at(paths, self.commits)) for finding in found]


def place_of(name: str, hit: Hit, is_object: bool) -> Place:
    return Place(hit.candidate, name, hit.offset, hit.line, is_object)
