"""Issue many keys at once: all of them, or none and a report of everything that is wrong."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.db import transaction

from apikeys.services.bulk.batches import (
    REFUSALS,
    Names,
    Tell,
    problems_of,
    quiet,
    refuse_all,
    take_back,
)
from apikeys.services.bulk.reading import Problem
from apikeys.services.issue import make_key
from apikeys.services.keys import IssuedKey
from apikeys.services.makers import Maker
from apikeys.services.wanted import NewKey
from momentry.common.fence.note import note_keys


class Wanted(NamedTuple):
    """A key to issue, and which entry wants it."""

    new: NewKey
    names: Names


@transaction.atomic
def create_batch(
    wanted: Sequence[Wanted],
    *,
    maker: Maker,
    problems: Iterable[Problem] = (),
    dry_run: bool = False,
    tell: Tell = quiet,
) -> list[IssuedKey]:
    """The keys with their secrets, in the order of the file. ``problems`` are those found before:
    the other entries are tried all the same, so that one report has everything.

    MomentryError invalid_input (or the code of the maker's bounds) with all ``errors``.
    """
    found, issued = list(problems), []
    for done, (new, names) in enumerate(wanted, start=1):
        try:
            issued.append(make_key(new, maker=maker))
        except REFUSALS as error:
            found += problems_of(error, names)
        tell(done)
    if found:
        refuse_all(found)
    if dry_run:
        take_back()
    note_keys(made.key.pk for made in issued)
    return issued
