"""What staff have to know at once: some kinds of events become letters, few whatever happens.

A look every five minutes finds the events that nobody was told of. The first makes a letter; those
that follow within PAUSE wait and share the next one. Nothing of it runs where the events are made.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet

from apikeys.models import Anomaly, Leak, LeakOutcome
from events import letters, mail
from events.kinds import Kind
from events.mail import Letter
from events.mailmodels import StaffAlert
from events.models import Event, Mail
from momentry.staffmail import name_of, write_to_staff

TITLES: Final[dict[str, tuple[str, str]]] = {
    Kind.PROVISIONING_DEAD: (
        "a member could not be brought to another system", "會員無法同步至其他系統",
    ),
    Kind.TOKEN_BROKEN: ("an external token is refused by its provider", "外部權杖遭其服務拒絕"),
    Kind.APIKEY_QUARANTINED: ("a key was quarantined", "金鑰已隔離停用"),
}  # fmt: skip
"""By kind, in English and Chinese. A kind that is here is written about."""
LEAKED: Final = ("a key leaked and was quarantined", "金鑰外洩並已隔離停用")
UNUSUAL: Final = ("a key was used unusually and was quarantined", "金鑰使用異常並已隔離停用")
PAUSE: Final = timedelta(minutes=30)
LOOKED_BACK: Final = timedelta(days=1)
KEPT: Final = LOOKED_BACK * 2
MOST: Final = 1000  # in one letter; the next has the rest
SHOWN: Final = 20
LOCK: Final = 0x6D6F6D_616C72  # of this work alone


def register() -> None:
    mail.register("staff_alert", render)
    lines = [
        line(kind, "staff_alert:1", datetime(2030, 1, 31, 12, tzinfo=UTC), UUID(int=0))
        for kind in TITLES
    ]
    letters.SAMPLES["staff_alert"] = {"count": 24, "lines": lines, "more": 21}


@transaction.atomic
def tell_staff(now: datetime) -> int:
    """How many events were told. Of two runs at once one does it; nothing counts as told where
    nobody is."""
    if not alone() or StaffAlert.objects.filter(told_at__gt=now - PAUSE).exists():
        return 0
    ids = list(untold(now).values_list("pk", flat=True)[:MOST])
    if not ids:
        return 0
    shown = [event.hex for event in ids[:SHOWN]]
    if not write_to_staff("staff_alert", events=shown, count=len(ids)):
        return 0
    StaffAlert.objects.filter(told_at__lt=now - KEPT).delete()
    StaffAlert.objects.bulk_create(StaffAlert(event=event, told_at=now) for event in ids)
    return len(ids)


def alone() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        (found,) = cursor.fetchone()
    return bool(found)


def untold(now: datetime) -> QuerySet[Event]:
    told = StaffAlert.objects.filter(event=OuterRef("pk"))
    rows = Event.objects.filter(kind__in=list(TITLES), occurred_at__gt=now - LOOKED_BACK)
    return rows.filter(~Exists(told)).order_by("pk")


def render(letter: Mail) -> Letter:
    """Kinds, times and ids: what the details of an event say stays in the web admin."""
    context = letter.context
    rows = list(Event.objects.filter(pk__in=context["events"]).order_by("pk").defer("details"))
    causes = causes_of(row.subject for row in rows if row.kind == Kind.APIKEY_QUARANTINED)
    lines = [
        line(row.kind, row.subject, row.occurred_at, row.pk, causes.get((row.kind, row.subject)))
        for row in rows
    ]
    more = context["count"] - len(context["events"])
    found = {"count": context["count"], "lines": lines, "more": more}
    return letters.render(letter, name_of(context), found)


def causes_of(subjects: Iterable[str]) -> dict[tuple[str, str], tuple[str, str]]:
    """Why these keys were quarantined, where it was not by somebody; a key is only once."""
    ids = [UUID(subject.removeprefix("key:")) for subject in subjects]
    leaked = Leak.objects.filter(key__in=ids, outcome=LeakOutcome.QUARANTINED)
    unusual = Anomaly.objects.filter(key__in=ids, quarantined=True)
    found = dict.fromkeys(leaked.values_list("key_id", flat=True), LEAKED)
    found |= dict.fromkeys(unusual.values_list("key_id", flat=True), UNUSUAL)
    return {(Kind.APIKEY_QUARANTINED, f"key:{key.hex}"): cause for key, cause in found.items()}


def line(
    kind: str, subject: str, at: datetime, event: UUID, cause: tuple[str, str] | None = None
) -> dict[str, Any]:
    title, in_chinese = cause or TITLES.get(kind, (kind, kind))
    return {
        "title": title,
        "in_chinese": in_chinese,
        "subject": subject,
        "at": at,
        "page": f"{settings.PUBLIC_URL}/admin/events/event/{event}/change/",
    }
