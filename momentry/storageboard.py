"""The dashboard's part on storage, for whoever may see members: from their counters alone."""

from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import Count, QuerySet, Sum
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.safestring import SafeString

from accounts.models import User
from accounts.services.fullness import filled, share
from momentry.common.bars import FULL, NEARLY_FULL, storage_bar

SHOWN: Final = 5


class Holder(NamedTuple):
    name: str
    href: str
    bar: SafeString


class Total(NamedTuple):
    """``nearly``, ``full``: how many members are."""

    used: str
    reserved: str
    nearly: int
    full: int


def total() -> Total:
    found: dict[str, Any] = User.objects.aggregate(
        used=Sum("quota_used", default=0),
        reserved=Sum("quota_reserved", default=0),
        nearly=Count("pk", filter=filled(NEARLY_FULL)),
        full=Count("pk", filter=filled(FULL)),
    )
    used, reserved = filesizeformat(found["used"]), filesizeformat(found["reserved"])
    return Total(used, reserved, found["nearly"], found["full"])


def boards() -> list[dict[str, Any]]:
    """Titles with their members."""
    stored = User.objects.filter(quota_used__gt=0).order_by("-quota_used", "-pk")
    fullest = User.objects.filter(filled(NEARLY_FULL)).order_by(share().desc(), "-pk")
    return [
        {"title": "Most stored", "holders": holders(stored), "none": "Nothing is stored yet."},
        {"title": "Nearly full", "holders": holders(fullest), "none": "Nobody is."},
    ]


def holders(rows: QuerySet[User]) -> list[Holder]:
    fields = ("pk", "username", "quota_used", "quota_reserved", "quota_size")
    return [
        Holder(name, page_of(pk), storage_bar(used, reserved, quota))
        for pk, name, used, reserved, quota in rows.values_list(*fields)[:SHOWN]
    ]


def page_of(pk: UUID) -> str:
    return reverse("admin:accounts_user_change", args=[pk])
