"""What tokens cost: prices for a million of them, whole numbers throughout. Pure."""

from datetime import datetime
from typing import Any, Final, NamedTuple

MILLION: Final = 1_000_000
MOST_KEPT: Final = 1024  # pairs of an upstream and a model; clients make up names


class Price(NamedTuple):
    """In millionths of the currency for a million tokens; ``upstream`` "" is all of them. ``most``:
    tokens of an answer where the call does not say."""

    upstream: str
    model: str
    read: int
    cached: int | None
    wrote: int
    most: int | None
    since: datetime

    def fits(self, upstream: str, model: str) -> bool:
        if self.upstream not in {"", upstream}:
            return False
        if self.model.endswith("*"):
            return model.startswith(self.model[:-1])
        return model == self.model

    @property
    def rank(self) -> tuple[int, bool, datetime]:
        """The longest match first, one without a * before all; then the upstream's own, then the
        latest."""
        exact = not self.model.endswith("*")
        return len(self.model) + MILLION * exact, bool(self.upstream), self.since

    def cost(self, read: int, cached: int, wrote: int) -> int:
        """In millionths, halves up. ``cached`` is a part of ``read``."""
        cached = min(cached, read)
        per_cached = self.read if self.cached is None else self.cached
        total = (read - cached) * self.read + cached * per_cached + wrote * self.wrote
        return (total + MILLION // 2) // MILLION

    def at_most(self, read: int, wrote: int) -> int:
        """What that many may cost, cached or not, rounded up."""
        return -(-(read * max(self.read, self.cached or 0) + wrote * self.wrote) // MILLION)


class Prices:
    """All of them, as they were read last."""

    __slots__ = ("kept", "rows")

    def __init__(self) -> None:
        self.rows: list[Price] = []
        self.kept: dict[tuple[str, str], list[Price]] = {}

    def replace(self, rows: list[tuple[Any, ...]]) -> None:
        self.rows = sorted(map(Price._make, rows), key=lambda price: price.rank, reverse=True)
        self.kept.clear()

    def find(self, upstream: str, model: str, at: datetime) -> Price | None:
        """The price at this time; None where staff set none, and for a call that names no model."""
        if not self.rows or not model:
            return None
        found = self.kept.get((upstream, model))
        if found is None:
            if len(self.kept) >= MOST_KEPT:
                self.kept.clear()
            found = [price for price in self.rows if price.fits(upstream, model)]
            self.kept[upstream, model] = found
        return next((price for price in found if price.since <= at), None)
