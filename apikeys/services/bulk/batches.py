"""What every batch shares: all or nothing, and one report of everything that is wrong."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, NoReturn

from django.core.exceptions import ValidationError
from django.db import connection, transaction

from apikeys.services.bulk.reading import Problem
from momentry.common.errors import MomentryError
from momentry.common.handlers import as_momentry_error

MOST: Final = 10_000
REFUSALS: Final = (MomentryError, ValidationError)
LOCK: Final = 4_718_302_695_001_773_421  # of imports among themselves; any number of our own
Tell = Callable[[int], None]
"""Called with how many entries are done."""


class Names(NamedTuple):
    """How an entry called what a key calls otherwise, such as ``permissions`` for ``scopes``."""

    place: int
    alias: Mapping[str, str]


def quiet(done: int) -> None:
    """For whoever watches no progress."""


def refuse_all(problems: Iterable[Problem]) -> NoReturn:
    """One error with every problem. A refusal of rights is told as such when nothing else is
    wrong, else as one problem among the others."""
    found = sorted(set(problems), key=place_of)
    codes = {problem.code for problem in found}
    code = found[0].code if "invalid_input" not in codes else "invalid_input"
    detail = f"{len(found)} problems; nothing was changed." if len(found) > 1 else found[0].detail
    errors = [{"detail": problem.detail, "pointer": problem.pointer} for problem in found]
    raise MomentryError(code, detail, errors=errors)


def place_of(problem: Problem) -> tuple[int, str, str]:
    step = problem.pointer.split("/")[2:3]
    return int(step[0]) if step and step[0].isdecimal() else -1, problem.pointer, problem.detail


def problems_of(error: Exception, names: Names) -> list[Problem]:
    """An entry's refusal with pointers into the file."""
    known = as_momentry_error(error)
    if known is None:  # pragma: no cover - REFUSALS are known
        raise error
    here = f"#/keys/{names.place}"
    told = known.extra.get("errors")
    if not told:
        return [Problem(here, known.detail, known.code.code)]
    code = known.code.code
    return [Problem(here + renamed(item["pointer"], names), item["detail"], code) for item in told]


def renamed(pointer: str, names: Names) -> str:
    """``#/scopes/0`` as the entry has it: ``/permissions/0``."""
    name, slash, rest = pointer.removeprefix("#").removeprefix("/").partition("/")
    if not name:
        return ""
    return f"/{names.alias.get(name, name)}{slash}{rest}"


def one_import_at_a_time() -> None:
    """To the end of the transaction: two imports of one file must see each other's rows."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def take_back() -> None:
    """A dry run: everything was done, so everything was tried; none of it stays."""
    transaction.set_rollback(True)
