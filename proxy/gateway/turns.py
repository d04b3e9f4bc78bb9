"""The credentials of one target by turns; one that the upstream wants left alone is passed over."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from proxy.gateway.upstreams import Target

TOO_MANY: Final = 429
UNAUTHORIZED: Final = 401
REFUSED_SECONDS: Final = 30.0  # a credential that was ended, until somebody switches it off
LEAST_SECONDS: Final = 1.0
MOST_SECONDS: Final = 60.0  # whatever Retry-After says: it may be a day, and wrong
MAX_DIGITS: Final = 15


class Turns:
    """``targets``: one target once for each active credential. ``resting``: until when by the
    credential's id; it outlives this object, which every change of an upstream makes anew."""

    __slots__ = ("place", "resting", "targets")

    def __init__(self, resting: "dict[UUID, float]") -> None:
        self.targets: tuple[Target, ...] = ()
        self.resting = resting
        self.place = 0

    def take(self) -> "Target":
        """The next that does not rest; the next one all the same when all of them do."""
        targets, resting, now = self.targets, self.resting, monotonic()
        count, place = len(targets), self.place
        for step in range(count):
            found = targets[(place + step) % count]
            if found.credential_id not in resting or resting[found.credential_id] <= now:
                self.place = (place + step + 1) % count
                return found
        self.place = (place + 1) % count
        return targets[place]

    def blames(self, target: "Target", status: int) -> bool:
        """Of a probe's answer: is it the credential's fault alone, as others are left to try?"""
        self.answered(target, status, ())
        now = monotonic()
        ids = [each.credential_id for each in self.targets if each.credential_id is not None]
        return status == UNAUTHORIZED and any(self.resting.get(key, now) <= now for key in ids)

    def answered(
        self, target: "Target", status: int, fields: "Iterable[tuple[bytes, bytes]]"
    ) -> None:
        """What an answer says of the credential. 403 says nothing: it may be about the request."""
        if target.credential_id is None or status not in (TOO_MANY, UNAUTHORIZED):
            return
        rests = REFUSED_SECONDS if status == UNAUTHORIZED else retry_after(fields)
        self.resting[target.credential_id] = monotonic() + rests


def retry_after(fields: "Iterable[tuple[bytes, bytes]]") -> float:
    """Seconds (RFC 9110 §10.2.3), LEAST_SECONDS to MOST_SECONDS; LEAST_SECONDS for nonsense."""
    text = next((value for name, value in fields if name == b"retry-after"), b"")
    seconds = LEAST_SECONDS
    if text.isdigit():
        seconds = MOST_SECONDS if len(text) > MAX_DIGITS else float(text)
    elif text:
        try:
            date = parsedate_to_datetime(text.decode("latin-1"))
        except (ValueError, OverflowError):
            return LEAST_SECONDS
        seconds = (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, LEAST_SECONDS), MOST_SECONDS)
