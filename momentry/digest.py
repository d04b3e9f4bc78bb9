"""The week in numbers, to staff: what went on, and what waits for somebody to look at it."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q, Sum

from accounts.models import Status, User
from apikeys.models import ApiKey, DailyUsage
from apikeys.services.life import ALIVE
from events import letters, mail
from events.mail import Letter
from events.mailmodels import StaffDigest
from events.models import Mail
from events.topics import Topic
from momentry.staffmail import name_of, write_to_staff
from provisioning.models import ExternalToken, ProvisioningTask, TaskState
from provisioning.tokens.models import State
from proxy.models import DownTarget

WEEK: Final = timedelta(days=7)
SOON: Final = timedelta(days=30)
SHOWN: Final = 5
SUMS: Final = {
    "requests": Sum("total_requests", default=0),
    "failed": Sum("failed_requests", default=0),
    "tokens": Sum("tokens_in", default=0) + Sum("tokens_out", default=0),
    "cost": Sum("cost_micro", default=0),
}
SAMPLE: Final[dict[str, Any]] = {
    "since": datetime(2030, 1, 21, tzinfo=UTC), "until": datetime(2030, 1, 27, tzinfo=UTC),
    "new": 12, "active": 480, "pending": 1, "requests": "184,220", "failed": "311",
    "tokens": "9,004,122", "cost": "128.40", "top": [("alice", "80,122"), ("bob", "12,003")],
    "dead": 2, "unsent": 1, "broken": ["gitea: ci"], "down": ["whisper"], "ending": ["n8n"],
}  # fmt: skip


def register() -> None:
    mail.register("staff_digest", render, topic=Topic.DIGEST)
    letters.SAMPLES["staff_digest"] = {**SAMPLE, "admin": f"{settings.PUBLIC_URL}/admin/"}


@transaction.atomic
def send_digest(now: datetime) -> int:
    """How many letters, of the week before this one (they begin on Mondays, UTC); none when it was
    told already. It does not count as told where nobody is."""
    today = now.astimezone(UTC).date()
    monday = today - timedelta(days=today.weekday())
    row, is_new = StaffDigest.objects.get_or_create(week=monday)
    if not is_new:
        return 0
    written = write_to_staff("staff_digest", week=monday.isoformat())
    if not written:
        row.delete()
    return written


def render(letter: Mail) -> Letter:
    monday = datetime.fromisoformat(letter.context["week"]).replace(tzinfo=UTC)
    since = monday - WEEK
    context = {
        "since": since,
        "until": monday - timedelta(days=1),
        "admin": f"{settings.PUBLIC_URL}/admin/",
        **members(since, monday),
        **usage(since, monday),
        **open_ends(),
    }
    return letters.render(letter, name_of(letter.context), context)


def members(since: datetime, until: datetime) -> dict[str, int]:
    came = Q(created_at__gte=since, created_at__lt=until)
    return User.objects.filter(is_staff=False).aggregate(
        new=Count("pk", filter=came),
        active=Count("pk", filter=Q(status=Status.ACTIVE)),
        pending=Count("pk", filter=Q(status=Status.PENDING)),
    )


def usage(since: datetime, until: datetime) -> dict[str, Any]:
    rows = DailyUsage.objects.filter(period_start__gte=since, period_start__lt=until).order_by()
    sums = rows.aggregate(**SUMS)
    by_member = rows.exclude(member_id=None).values_list("member_id")
    top = list(by_member.annotate(n=Sum("total_requests")).order_by("-n", "member_id")[:SHOWN])
    names = dict(User.objects.filter(pk__in=[pk for pk, _ in top]).values_list("pk", "username"))
    return {
        **{name: f"{sums[name]:,}" for name in ("requests", "failed", "tokens")},
        "cost": f"{sums['cost'] / 1_000_000:,.2f}",
        "top": [(named(pk, names), f"{number:,}") for pk, number in top],
    }


def named(pk: UUID, names: dict[UUID, str]) -> str:
    return letters.plain(names.get(pk) or pk.hex)


def open_ends() -> dict[str, Any]:
    """As it is when the letter is sent."""
    broken = ExternalToken.objects.filter(state=State.BROKEN).order_by("provider", "label")
    down = DownTarget.objects.order_by("target__upstream__slug")
    now = datetime.now(UTC)
    ending = ApiKey.objects.filter(
        owner=None, disabled_at=None, expires_at__gt=now, expires_at__lte=now + SOON, **ALIVE
    ).order_by("expires_at", "pk")
    return {
        "dead": ProvisioningTask.objects.filter(state=TaskState.DEAD).count(),
        "unsent": Mail.objects.filter(sent_at=None, failed_at__isnull=False).count(),
        "broken": [
            letters.plain(f"{provider}: {label}")
            for provider, label in broken.values_list("provider", "label")[:SHOWN]
        ],
        "down": list(down.values_list("target__upstream__slug", flat=True).distinct()[:SHOWN]),
        "ending": [
            letters.plain(name) for name in ending.values_list("service_name", flat=True)[:SHOWN]
        ],
    }
