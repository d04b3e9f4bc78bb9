"""Compare members with other systems, mend what drifted, say what was found. Each system brings its
own half: ``register`` it at the start of the app."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple, TypeVar

T = TypeVar("T")


class Order(NamedTuple):
    """``is_dry``: only look. ``adopts``: take over what was there before us. ``site``: the URL of
    the only WordPress to ask; ``delete_many`` and ``reset_sequences``: services/wordpress_drift."""

    is_dry: bool = False
    adopts: bool = False
    actor: str = "command"
    site: str = ""
    delete_many: bool = False
    reset_sequences: bool = False


class Finding(NamedTuple):
    """``what`` is one of a few words; ``about``: a name, never an address. ``mended``: it is, or a
    dry run would have."""

    what: str
    about: str
    detail: str = ""
    mended: bool = False

    def __str__(self) -> str:
        return f"{self.what}: {self.about}{f' ({self.detail})' if self.detail else ''}"


class ReconcileError(Exception):
    """The other system does not tell. ``str()`` is one sentence for a person."""


@dataclass(frozen=True)
class Reconciler:
    """``run`` yields what it finds as it goes; it raises ReconcileError."""

    name: str
    title: str
    is_configured: Callable[[], bool]
    run: Callable[[Order], Iterator[Finding]]


RECONCILERS: Final[dict[str, Reconciler]] = {}


def batches(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    rows = iter(rows)
    while batch := list(islice(rows, size)):
        yield batch


def register(reconciler: Reconciler) -> None:
    RECONCILERS[reconciler.name] = reconciler


def chosen(*names: str) -> list[Reconciler]:
    """Those of the names; without names all that are configured."""
    found = RECONCILERS.values()
    return [each for each in found if (each.name in names if names else each.is_configured())]
