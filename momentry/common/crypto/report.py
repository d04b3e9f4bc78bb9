"""What check_encryption and rotate_encryption print: ids and places, never a value."""

from collections.abc import Callable, Iterator
from typing import Final

from momentry.common.crypto.keyring import KeyRing
from momentry.common.crypto.rotation import Progress, Tally

MOST_FAILURES: Final = 100


def progress_to(write: Callable[[str], object]) -> Progress:
    def show(place: str, done: int, total: int) -> None:
        write(f"{place}: {done} of {max(done, total)}")

    return show


def keys(tally: Tally, ring: KeyRing) -> Iterator[str]:
    for number, ident in enumerate(ring.ids, start=1):
        yield f"key {number} ({ident}): {tally.keys.pop(ident, 0)} values"
    for ident, count in sorted(tally.keys.items()):
        name = "no envelope" if ident == "none" else f"key {ident}, not in the ring"
        yield f"{name}: {count} values"


def failures(tally: Tally) -> Iterator[str]:
    for place, pk, reason in tally.failures[:MOST_FAILURES]:
        yield f"{place}, row {pk}: {reason}"
    if len(tally.failures) > MOST_FAILURES:
        yield f"… and {len(tally.failures) - MOST_FAILURES} more."
