"""Import keys of another system or of an export: what they may do, and hashes of their secrets, so
that clients keep what they have. All of a file or nothing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apikeys import foreign, keyformat
from apikeys.models import ApiKey, ForeignSecret
from apikeys.services.bulk.batches import (
    REFUSALS,
    Names,
    Tell,
    one_import_at_a_time,
    problems_of,
    quiet,
    refuse_all,
    take_back,
)
from apikeys.services.bulk.hashes import ForeignHash
from apikeys.services.bulk.reading import Problem
from apikeys.services.issue import keep, prepare
from apikeys.services.keys import prefix_of
from apikeys.services.makers import Maker
from apikeys.services.wanted import NewKey, refuse

STEP: Final = 1000


class Imported(NamedTuple):
    """A key to import. Without ``secret`` it is unclaimed: a claim link gives it one."""

    new: NewKey
    names: Names
    key_id: UUID | None = None
    created_at: datetime | None = None
    disabled_at: datetime | None = None
    secret: ForeignHash | None = None


@transaction.atomic
def import_batch(
    wanted: Sequence[Imported],
    *,
    maker: Maker,
    problems: Iterable[Problem] = (),
    dry_run: bool = False,
    tell: Tell = quiet,
) -> list[ApiKey]:
    """The keys, in the order of the file. MomentryError with all ``errors``, as create_batch."""
    one_import_at_a_time()
    clashes = [*taken_ids(wanted), *taken_hashes(wanted)]
    found, made = [*problems, *clashes], []
    spoiled = {problem.pointer.split("/")[2] for problem in clashes}
    now = timezone.now()
    for done, item in enumerate(wanted, start=1):
        try:
            if str(item.names.place) in spoiled:
                item = item._replace(key_id=None, secret=None)  # noqa: PLW2901  it fails; what else?
            made.append(import_key(item, maker, now))
        except REFUSALS as error:
            found += problems_of(error, item.names)
        tell(done)
    if found:
        refuse_all(found)
    if dry_run:
        take_back()
    return made


@transaction.atomic
def import_key(item: Imported, maker: Maker, now: datetime) -> ApiKey:
    if item.created_at and item.created_at > now:
        refuse("created_at", "must not be in the future")
    key, rights = prepare(item.new, maker, now)
    key.pk = item.key_id or key.pk
    key.created_at = item.created_at or key.created_at
    key.disabled_at = item.disabled_at
    key.key_prefix = keyformat.mask(prefix_of(key), key.pk)
    if item.secret is not None:
        key.key_prefix, key.digest = item.secret.mask, foreign.ONLY
    keep(key, rights, maker)
    if item.secret is not None:
        save_secret(key, item.secret)
    return key


def save_secret(key: ApiKey, secret: ForeignHash) -> None:
    row = ForeignSecret(key=key, format=secret.format, lookup=secret.lookup, digest=secret.digest)
    row.full_clean(exclude=["key"], validate_unique=False)
    row.save(force_insert=True)


def taken_ids(wanted: Sequence[Imported]) -> Iterator[Problem]:
    """Ids that another key has, in the table or earlier in the file."""
    asked = {item.key_id for item in wanted if item.key_id}
    there = set(in_steps(asked, ApiKey.objects.values_list("pk", flat=True), "pk__in"))
    for item in wanted:
        if item.key_id is None:
            continue
        if item.key_id in there:
            yield problem(item, "id", "another key has it already")
        there.add(item.key_id)


def taken_hashes(wanted: Sequence[Imported]) -> Iterator[Problem]:
    """A secret opens one key; and few may share the beginning by which they are found."""
    asked = {item.secret.lookup for item in wanted if item.secret}
    rows = ForeignSecret.objects.values_list("lookup", "digest")
    known = list(in_steps(asked, rows, "lookup__in"))
    lookups, digests = Counter(lookup for lookup, _ in known), {digest for _, digest in known}
    for item in wanted:
        if (secret := item.secret) is None:
            continue
        if secret.digest in digests or (lookups[secret.lookup] and not secret.is_text):
            yield problem(item, secret.pointer, "another key has this hash already")
        elif lookups[secret.lookup] >= foreign.MAX_CANDIDATES:
            yield problem(item, "secret_hash/prefix", TOO_MANY)
        lookups[secret.lookup] += 1
        digests.add(secret.digest)


TOO_MANY: Final = f"more than {foreign.MAX_CANDIDATES} keys begin so: give more characters"


def in_steps(values: Iterable[object], rows: Any, condition: str) -> Iterator[Any]:
    listed = list(values)
    for start in range(0, len(listed), STEP):
        yield from rows.filter(**{condition: listed[start : start + STEP]})


def problem(item: Imported, name: str, detail: str) -> Problem:
    return Problem(f"#/keys/{item.names.place}/{name}", detail)
