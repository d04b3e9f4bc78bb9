"""Bytes as members' rows have them, against the videos and open uploads they are the sum of; what
drifted is set right. Other systems that count are only compared: an app above names them."""

import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Sum

from accounts.models import User
from events.kinds import Kind
from events.services import record
from videos.models import Upload, UploadState, Video

logger = logging.getLogger(__name__)
AT_ONCE: Final = 1000


class Bytes(NamedTuple):
    used: int
    reserved: int


class Drift(NamedTuple):
    """``kept``: in the member's row; ``counted``: what the rows add up to."""

    member: UUID
    username: str
    kept: Bytes
    counted: Bytes

    def __str__(self) -> str:
        pairs = zip(Bytes._fields, self.kept, self.counted, strict=True)
        told = (f"{name} {kept} is {found}" for name, kept, found in pairs if kept != found)
        return f"{self.username}: {', '.join(told)}"


class Difference(NamedTuple):
    """Another system counts ``there`` bytes."""

    username: str
    there: int
    here: int

    def __str__(self) -> str:
        return f"{self.username}: {self.there} there, {self.here} here"


class UnknownError(Exception):
    """The other system does not tell. ``str()`` is one sentence for a person."""


Comparison = Callable[[], Iterator[Difference]]
COMPARISONS: Final[dict[str, Comparison]] = {}


def register(name: str, compare: Comparison) -> None:
    COMPARISONS[name] = compare


def recount(*, actor: str, is_dry: bool = False) -> Iterator[Drift]:
    """Members whose figures drifted. Without a lock they are only suspected; each is looked at
    again with its row held, when whoever counts bytes waits, and set right."""
    members = iter(User.objects.order_by("pk").values_list("pk", flat=True).iterator(AT_ONCE))
    while batch := list(islice(members, AT_ONCE)):
        for member in suspected(batch):
            if (drift := set_right(member, actor=actor, is_dry=is_dry)) is not None:
                yield drift


def suspected(members: Sequence[UUID]) -> list[UUID]:
    counted = count(members)
    rows = User.objects.filter(pk__in=members).order_by("pk")
    kept = rows.values_list("pk", "quota_used", "quota_reserved")
    return [pk for pk, used, reserved in kept if counted[pk] != (used, reserved)]


def count(members: Sequence[UUID]) -> dict[UUID, Bytes]:
    videos = Video.objects.filter(owner__in=members, deleted_at=None)
    used = dict(videos.order_by().values_list("owner").annotate(Sum("size")))
    uploads = Upload.objects.filter(owner__in=members, state=UploadState.OPEN)
    reserved = dict(uploads.order_by().values_list("owner").annotate(Sum("size")))
    return {pk: Bytes(int(used.get(pk, 0)), int(reserved.get(pk, 0))) for pk in members}


@transaction.atomic
def set_right(member: UUID, *, actor: str, is_dry: bool) -> Drift | None:
    """None when it is right: the suspicion was of two moments."""
    row = User.objects.select_for_update(no_key=True).get(pk=member)
    kept, counted = Bytes(row.quota_used, row.quota_reserved), count([member])[member]
    if kept == counted:
        return None
    if not is_dry:
        User.objects.filter(pk=member).update(
            quota_used=counted.used, quota_reserved=counted.reserved
        )
        record(
            Kind.STORAGE_REPAIRED, actor=actor, subject=f"member:{member.hex}",
            before=kept._asdict(), after=counted._asdict(),
        )  # fmt: skip
    return Drift(member, row.username, kept, counted)
