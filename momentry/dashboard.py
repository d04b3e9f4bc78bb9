"""The admin's first page: a few numbers, each for whoever may see its rows, each cheap.

The request log is read from its newest row backwards and never further than LATEST rows.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from django.db import connection
from django.db.models import Count, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from accounts.models import Status, User
from apikeys.admin.keys import RECENT, in_state
from apikeys.models import Anomaly, ApiKey
from events.models import WAITING, Mail
from momentry.common.bars import NEARLY_FULL
from momentry.common.jobmodels import Outcome, ScheduledJob
from momentry.joblook import LATE_AFTER
from momentry.storageboard import boards, total
from provisioning.models import ProvisioningTask, TaskState
from proxy.models import Upstream

LATEST: Final = 100_000
BARS: Final = {"stack": "calls", "maxBarThickness": 36, "borderRadius": 2}
HOURS: Final = """
SELECT extract(hour FROM ts AT TIME ZONE 'UTC')::int, count(*),
       count(*) FILTER (WHERE status BETWEEN 400 AND 499),
       count(*) FILTER (WHERE status >= 500)
  FROM (SELECT ts, status FROM apikeys_requestlog
         WHERE ts >= %s ORDER BY ts DESC LIMIT %s) latest
 GROUP BY 1 ORDER BY 1
"""


class Card(NamedTuple):
    title: str
    value: str
    notes: list[str]
    href: str
    icon: str
    alarm: bool = False


class Hour(NamedTuple):
    hour: int
    total: int
    refused: int
    failed: int


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """unfold's callback: put what this staff user may see into the template's context."""
    user: Any = request.user
    now = timezone.now()
    cards: list[Card] = []
    if user.has_perm("apikeys.view_requestlog"):
        hours = hours_of(now)
        cards += request_cards(hours)
        context["chart"] = json.dumps(chart(hours, now))
    if user.has_perm("accounts.view_user"):
        cards += [member_card(), storage_card()]
        context["boards"] = boards()
    cards += [make(now) for permission, make in CARDS.items() if user.has_perm(permission)]
    context["cards"] = cards
    return context


def hours_of(now: datetime) -> list[Hour]:
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with connection.cursor() as cursor:
        cursor.execute(HOURS, [midnight, LATEST])
        return [Hour(*row) for row in cursor.fetchall()]


def request_cards(hours: list[Hour]) -> list[Card]:
    total, refused, failed = (sum(column) for column in columns(hours))
    page = changelist("apikeys_requestlog")
    more = "+" if total >= LATEST else ""
    share = f"{100 * failed / total:.1f} % of all" if total else "no calls yet"
    return [
        Card("Requests today", f"{total:,}{more}", ["since midnight UTC"], page, "swap_horiz"),
        Card(
            "Errors today",
            f"{failed:,}",
            [share, f"{refused:,} refused (4xx)"],
            f"{page}?class=5",
            "error",
            alarm=failed > 0,
        ),
    ]


def columns(hours: list[Hour]) -> Iterable[tuple[int, ...]]:
    return zip(*(hour[1:] for hour in hours), strict=True) if hours else ((0,), (0,), (0,))


def chart(hours: list[Hour], now: datetime) -> dict[str, Any]:
    """Chart.js' form of the day so far, answered and failed calls stacked."""
    by_hour = {hour.hour: hour for hour in hours}
    day = [by_hour.get(hour, Hour(hour, 0, 0, 0)) for hour in range(now.astimezone(UTC).hour + 1)]
    kinds = {
        "answered": ("var(--color-primary-600)", [h.total - h.refused - h.failed for h in day]),
        "refused": ("var(--color-orange-400)", [h.refused for h in day]),
        "failed": ("var(--color-red-500)", [h.failed for h in day]),
    }
    return {
        "labels": [f"{hour.hour:02}:00" for hour in day],
        "datasets": [
            {"label": name, "data": data, "backgroundColor": colour, **BARS}
            for name, (colour, data) in kinds.items()
        ],
    }


def member_card() -> Card:
    rows = User.objects.filter(is_staff=False).values_list("status").annotate(Count("pk"))
    counts: dict[str, int] = dict(rows.order_by())
    notes = [f"{counts[s]:,} {s}" for s in Status.values if s != Status.ACTIVE and s in counts]
    active = counts.get(Status.ACTIVE, 0)
    return Card("Active members", f"{active:,}", notes, changelist("accounts_user"), "group")


def storage_card() -> Card:
    found = total()
    notes = [f"{found.reserved} reserved", f"{found.nearly:,} nearly full, {found.full:,} full"]
    page = changelist("accounts_user") + (f"?filled={NEARLY_FULL}" if found.nearly else "")
    return Card("Storage used", found.used, notes, page, "hard_drive", alarm=found.full > 0)


def key_card(now: datetime) -> Card:
    counts = ApiKey.objects.aggregate(
        usable=Count("pk", filter=in_state("usable", now)),
        unclaimed=Count("pk", filter=in_state("unclaimed", now)),
    )
    notes = [f"{counts['unclaimed']:,} not claimed yet"]
    page = changelist("apikeys_apikey")
    return Card("Usable keys", f"{counts['usable']:,}", notes, f"{page}?state=usable", "key")


def anomaly_card(now: datetime) -> Card:
    recent = Anomaly.objects.filter(found_at__gt=now - RECENT)
    counts = recent.aggregate(found=Count("pk"), keys=Count("key", distinct=True))
    notes = [f"of {counts['keys']:,} keys, in the last 24 hours"]
    page = changelist("apikeys_anomaly")
    found = counts["found"]
    return Card("Anomalies", f"{found:,}", notes, page, "monitoring", alarm=found > 0)


def upstream_card(_: datetime) -> Card:
    counts = Upstream.objects.aggregate(
        active=Count("pk", filter=Q(is_active=True)), off=Count("pk", filter=Q(is_active=False))
    )
    notes = [f"{counts['off']:,} switched off"] if counts["off"] else ["all switched on"]
    return Card("Upstreams", f"{counts['active']:,}", notes, changelist("proxy_upstream"), "dns")


def provisioning_card(_: datetime) -> Card:
    """Each count has an index of its own: most rows are done."""
    waiting = ProvisioningTask.objects.filter(state=TaskState.PENDING).count()
    dead = ProvisioningTask.objects.filter(state=TaskState.DEAD).count()
    page = changelist("provisioning_provisioningtask") + ("?state__exact=dead" if dead else "")
    notes = [f"{dead:,} given up"]
    return Card("Provisioning waiting", f"{waiting:,}", notes, page, "sync", alarm=dead > 0)


def mail_card(_: datetime) -> Card:
    waiting = Count("pk", filter=WAITING)
    failed = Count("pk", filter=Q(sent_at=None, failed_at__isnull=False))
    counts = Mail.objects.aggregate(waiting=waiting, failed=failed)
    return Card(
        "Mail waiting",
        f"{counts['waiting']:,}",
        [f"{counts['failed']:,} given up"],
        changelist("events_mail") + ("?state=failed" if counts["failed"] else ""),
        "mail",
        alarm=counts["failed"] > 0,
    )


def schedule_card(now: datetime) -> Card:
    enabled = Q(next_due_at__isnull=False)
    counts = ScheduledJob.objects.aggregate(
        all=Count("pk", filter=enabled),
        late=Count("pk", filter=Q(next_due_at__lt=now - LATE_AFTER)),
        failing=Count("pk", filter=enabled & Q(last_outcome__in=[Outcome.FAILED, Outcome.LOST])),
    )
    page = changelist("django_celery_beat_periodictask")
    notes = [f"{counts['failing']:,} failed the last time", f"{counts['late']:,} late"]
    alarm = counts["failing"] + counts["late"] > 0
    return Card("Scheduled work", f"{counts['all']:,}", notes, page, "schedule", alarm)


def changelist(model: str) -> str:
    return reverse(f"admin:{model}_changelist")


CARDS: Final = {
    "apikeys.view_apikey": key_card,
    "apikeys.view_anomaly": anomaly_card,
    "proxy.view_upstream": upstream_card,
    "provisioning.view_provisioningtask": provisioning_card,
    "events.view_mail": mail_card,
    "django_celery_beat.view_periodictask": schedule_card,
}
