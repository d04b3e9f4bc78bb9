"""Who is told that a limit on requests, tokens or cost is nearly used up: 80, 95 and 100 % of it,
each once in a period. Storage has its own notices (videos.services.notices).

Counters are only read, and never locked: requests are counted in them meanwhile. What says that
something was said is a row of its own, under the lock of the member or, for a key's own limit, of
the key. Units that gateways hold on lease and have not spent are not used.
"""

from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet, Sum
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast

from accounts.models import Status, User
from accounts.services.fullness import EXACT
from apikeys.gate.periods import Period, period_at
from apikeys.gate.snapshot import COUNTED, PERIODS
from apikeys.models import ApiKey, Counter, LimitOverride, QuotaNotice, Tier
from apikeys.models.notices import LEVELS
from apikeys.services.life import ALIVE
from apikeys.services.owners import write_to
from events.kinds import Kind
from events.services import record

KINDS: Final = {80: Kind.LIMIT_80, 95: Kind.LIMIT_95, 100: Kind.LIMIT_100}
MARGIN: Final = 5
"""Per cent below a level from which on a limit that was raised may be told of again."""
KEPT: Final = timedelta(days=62)  # after the beginning of a day or month: it is over by then
BATCH: Final = 200
SAME: Final = ("subject", "metric", "period", "period_start")


class Filled(NamedTuple):
    """One limit in the period of now. ``ends`` None: it has no end."""

    metric: str
    period: str
    start: datetime
    ends: datetime | None
    used: int
    limit: int

    @property
    def per_cent(self) -> int:
        return self.used * 100 // self.limit

    @property
    def place(self) -> tuple[str, str, str]:
        """Which one, as a stored letter says it."""
        return self.metric, self.period, self.start.isoformat()


def periods(now: datetime) -> dict[str, Period]:
    zone = ZoneInfo(settings.QUOTA_TIMEZONE)
    return {name: period_at(name, now, zone) for name in PERIODS.values()}


def due(now: datetime) -> QuerySet[Counter]:
    """Counters of now that reached a level which was not said, by the limit of their last request
    and with all that is on lease: a few more than there are."""
    current, new = Q(), Q()
    for name, period in periods(now).items():
        current |= Q(period=name, period_start=period.start)
    for level in LEVELS:
        same = {column: OuterRef(column) for column in SAME}
        said = Exists(QuotaNotice.objects.filter(level=level, **same))
        new |= Q(Q(used__gte=share(level)), ~said)
    return Counter.objects.filter(current, new, used__gt=0, limit__gt=0)


def share(per_cent: int) -> Combinable:
    return ExpressionWrapper(Cast("limit", EXACT) * per_cent / 100, output_field=EXACT)


def notify_limits(now: datetime, *, actor: str) -> int:
    """How many members and keys something was said of. One transaction for each; safe twice and at
    once."""
    forget(now)
    told, last = 0, ""
    while True:
        rows = due(now).filter(subject__gt=last).order_by("subject")
        subjects = list(rows.values_list("subject", flat=True).distinct()[:BATCH])
        if not subjects:
            return told
        told += sum(notify(subject, now, actor=actor) for subject in subjects)
        last = subjects[-1]


def forget(now: datetime) -> None:
    """What was said of periods that are over, or of limits that were raised well beyond since. Not
    what fell by itself: what calls give back goes up and down in one period."""
    QuotaNotice.objects.filter(period_start__lt=now - KEPT).exclude(period="lifetime").delete()
    for level in LEVELS:
        same = {column: OuterRef(column) for column in SAME}
        raised = Counter.objects.filter(
            limit__gt=OuterRef("limit"), used__lt=share(level - MARGIN), **same
        )
        QuotaNotice.objects.filter(Exists(raised), level=level).delete()


@transaction.atomic
def notify(subject: str, now: datetime, *, actor: str) -> bool:
    """An event for each level of each limit, one letter for the highest."""
    if not (held := lock(subject, now)):
        return False
    found = filled(subject, now)
    rows = QuotaNotice.objects.filter(subject=subject)
    said = set(rows.values_list("metric", "period", "period_start", "level"))
    new = [
        (line, level)
        for line in found
        for level in LEVELS
        if line.per_cent >= level and (line.metric, line.period, line.start, level) not in said
    ]
    for line, level in new:
        say(subject, line, level, actor)
    if new and held.owner is not None:
        places = list(dict.fromkeys(line.place for line, _ in new))
        highest = max(level for _, level in new)
        write_to(held.owner, f"limit_{highest}", subject=subject, places=places)
    return bool(new)


class Held(NamedTuple):
    """Whose limit it is; a service's key has no owner."""

    owner: User | None


def lock(subject: str, now: datetime) -> Held | None:
    """None for who is not to be told: not active, or a key that does not work."""
    kind, _, identity = subject.partition(":")
    pk = UUID(identity)
    if kind == "member":
        rows = User.objects.select_for_update(no_key=True)
        member = rows.filter(pk=pk, status=Status.ACTIVE).first()
        return Held(member) if member else None
    alive = Q(expires_at=None) | Q(expires_at__gt=now)
    keys = ApiKey.objects.select_for_update(of=("self",), no_key=True).select_related("owner")
    key = keys.filter(alive, pk=pk, digest__isnull=False, disabled_at=None, **ALIVE).first()
    if key is None or (key.owner is not None and key.owner.status != Status.ACTIVE):
        return None
    return Held(key.owner)


def filled(subject: str, now: datetime) -> list[Filled]:
    """What it used of each of its limits, as they are now."""
    limits, current = limits_of(subject), periods(now)
    starts = {period.start for period in current.values()}
    counters = Counter.objects.filter(subject=subject, period_start__in=starts)
    rows = counters.annotate(unspent=Sum(F("leases__granted") - F("leases__spent"), default=0))
    return [
        Filled(row.metric, row.period, row.period_start, current[row.period].end,
               row.used - row.unspent, limit)
        for row in rows.order_by("metric", "period")
        if row.period_start == current[row.period].start
        and (limit := limits.get((row.metric, row.period))) is not None
    ]  # fmt: skip


def limits_of(subject: str) -> dict[tuple[str, str], int]:
    """By metric and period: an override if there is one, else the tier's; unlimited ones are not
    there."""
    kind, _, identity = subject.partition(":")
    members = User.objects.filter(pk=UUID(identity)).values("tier")
    keys = ApiKey.objects.filter(pk=UUID(identity)).values("tier")
    tier = Tier.objects.filter(slug__in=members if kind == "member" else keys).first()
    rows = LimitOverride.objects.filter(**{f"{kind}_id": UUID(identity)})
    own = dict(rows.values_list("name", "value"))
    found = {place: own.get(name, getattr(tier, name, None)) for name, place in COUNTED.items()}
    return {place: limit for place, limit in found.items() if limit}


def say(subject: str, line: Filled, level: int, actor: str) -> None:
    QuotaNotice.objects.create(
        subject=subject,
        metric=line.metric,
        period=line.period,
        period_start=line.start,
        level=level,
        limit=line.limit,
    )
    record(
        KINDS[level],
        actor=actor,
        subject=subject,
        metric=line.metric,
        period=line.period,
        used=line.used,
        limit=line.limit,
    )
