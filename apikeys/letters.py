"""The letters of this app: keys that expire or leaked, limits that are nearly used up. What they
say is looked up as they are sent; one that says nothing any more is withheld."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone

from accounts.models import Status, User
from apikeys.models import ApiKey, Leak
from apikeys.models.notices import DAYS, LEVELS
from apikeys.services.quotanotices import Filled, filled
from apikeys.services.reminders import remindable
from events import letters, mail
from events.mail import Letter
from events.message import WithheldError
from events.models import Mail
from events.topics import Topic

SAMPLE_END: Final = datetime(2030, 1, 31, 12, tzinfo=UTC)
LONGEST_PLACE: Final = 300
SAMPLE_LEAK: Final = {
    "key": "laptop (muser_1a2b…****)",
    "where": "https://example.org/team/notes/blob/main/.env",
    "outcome": "quarantined",
}
SAMPLE_KEY: Final = {"key_name": "laptop", "key_prefix": "muser_1a2b…****"}


def register() -> None:
    mail.register("key_expiring", render_expiring, topic=Topic.EXPIRY)
    letters.SAMPLES["key_expiring"] = {"days": 7, "expires": SAMPLE_END, **SAMPLE_KEY}
    mail.register("key_quarantined", render_quarantined)
    letters.SAMPLES["key_quarantined"] = SAMPLE_KEY
    mail.register("key_leaked", render_leaked)
    letters.SAMPLES["key_leaked"] = SAMPLE_LEAK
    for level in LEVELS:
        mail.register(f"limit_{level}", render_limits, topic=Topic.QUOTA)
        used, cost = 100 * level + 13, 50_000 * level
        lines = [
            Filled("requests", "month", SAMPLE_END, SAMPLE_END, used, 10_000),
            Filled("cost_micro", "lifetime", SAMPLE_END, None, cost, 5_000_000),
        ]
        letters.SAMPLES[f"limit_{level}"] = shown(lines, "laptop")


def render_expiring(letter: Mail) -> Letter:
    """Withheld when the key has ended otherwise, or its end was put off."""
    now = timezone.now()
    soon = remindable(now).filter(expires_at__lte=now + timedelta(days=DAYS[0] + 1))
    key = soon.select_related("owner").filter(pk=letter.context["key"]).first()
    if key is None or key.expires_at is None:
        raise WithheldError
    days = round((key.expires_at - now) / timedelta(days=1))
    context = {"days": days, "expires": key.expires_at, "key_prefix": key.key_prefix}
    return render(letter, key.owner, {**context, "key_name": letters.plain(key.name)})


def render_quarantined(letter: Mail) -> Letter:
    key = ApiKey.objects.select_related("owner").filter(pk=letter.context["key"]).first()
    if key is None:
        raise WithheldError
    context = {"key_name": letters.plain(key.name), "key_prefix": key.key_prefix}
    return render(letter, key.owner, context)


def render_leaked(letter: Mail) -> Letter:
    leak = Leak.objects.select_related("key__owner").filter(pk=letter.context["leak"]).first()
    if leak is None:
        raise WithheldError
    return render(letter, leak.key.owner, context_of(leak))


def context_of(leak: Leak) -> dict[str, object]:
    """``key``: its name as its owner knows it, and what lists show of it."""
    where = letters.plain(leak.where or "", LONGEST_PLACE)
    key = f"{letters.plain(leak.key.name)} ({leak.key.key_prefix})"
    return {"key": key, "where": where, "outcome": leak.outcome}


def render_limits(letter: Mail) -> Letter:
    """In the numbers of when it is sent; withheld when the periods are over."""
    subject = letter.context["subject"]
    places = {tuple(place) for place in letter.context["places"]}
    found = [line for line in filled(subject, timezone.now()) if line.place in places]
    lines = [line for line in found if line.per_cent >= LEVELS[0]]
    member = User.objects.filter(pk=letter.context["member"], status=Status.ACTIVE).first()
    if member is None or not lines:
        raise WithheldError
    return render(letter, member, shown(lines, key_name(subject)))


def key_name(subject: str) -> str:
    """ "" for a limit of the member's."""
    kind, _, identity = subject.partition(":")
    if kind == "member":
        return ""
    return letters.plain(ApiKey.objects.values_list("name", flat=True).get(pk=UUID(identity)))


def shown(lines: list[Filled], name: str) -> dict[str, Any]:
    """Numbers as people read them; ends on the clock of the quotas."""
    zone = ZoneInfo(settings.QUOTA_TIMEZONE)
    rows = [
        {
            "metric": line.metric,
            "period": line.period,
            "used": amount(line.metric, line.used),
            "limit": amount(line.metric, line.limit),
            "per_cent": line.per_cent,
            "ends": f"{line.ends.astimezone(zone):%Y-%m-%d %H:%M}" if line.ends else "",
        }
        for line in lines
    ]
    return {"lines": rows, "zone": settings.QUOTA_TIMEZONE, "key_name": name}


def amount(metric: str, number: int) -> str:
    return f"{number / 1_000_000:,.2f}" if metric == "cost_micro" else f"{number:,}"


def render(letter: Mail, member: User | None, context: dict[str, Any]) -> Letter:
    name = member.display_name or member.username if member else ""
    return letters.render(letter, name, context)
