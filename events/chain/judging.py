"""Which of the events that wait may be sealed: those that prove that a process of ours made them.

A proof or details under a key that the ring here lacks may be those of a process that got a new key
first: that waits, but not for long, or else naming any key would keep a forgery from being told.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final, NamedTuple

from events.chain import rows
from events.chain.proofs import check_proof
from events.chain.rows import Waiting
from momentry.common.crypto.errors import EnvelopeError, UnknownKeyError

PATIENCE: Final = timedelta(minutes=10)
SKEW: Final = timedelta(minutes=1)
"""What another machine's clock may be ahead."""


class Verdict(Enum):
    PROVED = auto()
    LATE = auto()
    REFUSED = auto()


class Judged(NamedTuple):
    """An event, what is to be done with it, and its details if it is proved."""

    row: Waiting
    verdict: Verdict
    details: str | None = None


def judge(some: Iterable[Waiting], now: datetime) -> Iterable[Judged]:
    for row in some:
        try:
            yield Judged(row, Verdict.PROVED, proved(row))
        except UnknownKeyError:
            is_young = now - PATIENCE < row.fact.occurred_at < now + SKEW
            yield Judged(row, Verdict.LATE if is_young else Verdict.REFUSED)
        except EnvelopeError:
            yield Judged(row, Verdict.REFUSED)


def proved(row: Waiting) -> str | None:
    """Its details. EnvelopeError."""
    details = rows.opened(row.fact.id, row.envelope)
    check_proof(row.proof, row.fact, details)
    return details
