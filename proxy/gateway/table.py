"""All upstreams of one process: taken over when rows changed, without holding up requests."""

import asyncio
from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter, itemgetter
from time import monotonic
from typing import Any, Final
from uuid import UUID

from momentry.common.crypto.errors import EnvelopeError
from momentry.common.crypto.keyring import KeyRing
from proxy.gateway.health import Health
from proxy.gateway.upstreams import Row, Upstream, target_of, upstream_of
from proxy.usage.prices import Prices

SERVES_V1: Final = Row._fields.index("serves_v1")
STEP: Final = 0.005  # seconds of work between two yields
Rows = list[tuple[Any, ...]]


class Table:
    """All upstreams by slug, and what their tokens cost. ``version`` is what VERSION_SQL said when
    they were read; ``v1``: the slug of the one that serves /v1, b"" for none; ``out``: targets that
    were put out, and those that came back since somebody looked; ``resting``: credentials that an
    upstream wants left alone, until when; ``kept``: what was made of which rows; ``reading``: held
    by the one who reads them, so that what was read later is taken over later."""

    __slots__ = (
        "by_slug",
        "kept",
        "out",
        "prices",
        "reading",
        "resting",
        "v1",
        "version",
        "watched",
    )

    def __init__(self) -> None:
        self.by_slug: dict[bytes, Upstream] = {}
        self.kept: dict[str, tuple[Rows, Upstream]] = {}
        self.out: set[UUID] = set()
        self.watched = False  # an upstream has a health path
        self.resting: dict[UUID, float] = {}
        self.prices = Prices()
        self.reading = asyncio.Lock()
        self.v1 = b""
        self.version = ""

    def get(self, slug: bytes) -> Upstream | None:
        return self.by_slug.get(slug)

    def replace(self, rows: Rows, ring: KeyRing, version: str) -> list[str]:
        """Take over what was read; returns what is wrong with what changed, one line each."""
        faults: list[str] = []
        for _ in self.take_over(rows, ring, version, faults):
            pass
        return faults

    def take_over(
        self, rows: Rows, ring: KeyRing, version: str, faults: list[str]
    ) -> Iterator[None]:
        """As replace(), yielding now and then: it counts from its end on. Only what changed is made
        anew. ``rows`` are sorted by slug and target."""
        found: dict[bytes, Upstream] = {}
        healths = {t.id: t.health for up in self.by_slug.values() for t in up.targets}
        began, v1 = monotonic(), b""
        for slug, of_upstream in groupby(rows, itemgetter(0)):
            own = list(of_upstream)
            known = self.kept.get(slug)
            if known is None or known[0] != own:
                upstream = self.make([Row._make(row) for row in own], ring, healths, faults)
                known = self.kept[slug] = (own, upstream)
            found[slug.encode()] = known[1]
            if own[0][SERVES_V1]:
                v1 = slug.encode()
            if monotonic() - began > STEP:
                yield
                began = monotonic()
        self.by_slug = found
        self.watched = any(upstream.health_path for upstream in found.values())
        self.v1 = v1
        self.version = version
        for slug in [slug for slug in self.kept if slug.encode() not in found]:
            del self.kept[slug]
        if self.resting:
            ids = {row.credential_id for row in map(Row._make, rows)}
            for ended in [key for key in self.resting if key not in ids]:
                del self.resting[ended]

    def make(
        self, rows: list[Row], ring: KeyRing, healths: dict[UUID, Health], faults: list[str]
    ) -> Upstream:
        slug, targets = rows[0].slug, []
        for _, of_target in groupby(rows, attrgetter("target_id")):
            try:
                target, lost = target_of(list(of_target), ring, self.resting, healths)
            except (ValueError, EnvelopeError) as error:
                faults.append(f"upstream {slug}: a target was left out: {error}")
                continue
            if target is not None:
                target.health.follow(rows[0].failure_threshold, self.out.add)
                targets.append(target)
            faults += [f"upstream {slug}: a credential was left out: {each}" for each in lost]
        return upstream_of(rows[0], tuple(targets), self.by_slug.get(slug.encode()))
