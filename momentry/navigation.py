"""The sidebar of the admin: what staff look for, in their words; a page shows by its permission."""

from collections.abc import Callable
from time import monotonic
from typing import Any, Final, NamedTuple

from django.http import HttpRequest
from django.urls import reverse_lazy
from django.utils import timezone

from apikeys.admin.keys import RECENT
from apikeys.models import Anomaly

MOST: Final = 99  # that a badge counts
KEPT_SECONDS = 300.0  # so often hours are judged


class Kept:
    """What every page shows; each process counts it now and then."""

    def __init__(self, count: Callable[[], int]) -> None:
        self.count = count
        self.known, self.until = 0, 0.0

    def __call__(self) -> int:
        if (now := monotonic()) >= self.until:
            self.known, self.until = self.count(), now + KEPT_SECONDS
        return self.known


@Kept
def fresh_anomalies() -> int:
    """Of the last day, as far as a badge counts them."""
    found = Anomaly.objects.filter(found_at__gt=timezone.now() - RECENT).order_by()
    return len(found.values_list("pk")[: MOST + 1])


class Page(NamedTuple):
    """``fresh``: how much there is to look at, for a badge."""

    title: str
    icon: str
    model: str
    fresh: Callable[[], int] | None = None


GROUPS: Final = {
    "People": [
        Page("Members", "group", "accounts.user"),
        Page("Sites", "language", "accounts.site"),
        Page("Inbox", "inbox", "provisioning.inboxevent"),
        Page("Comparisons", "compare_arrows", "provisioning.reconciliation"),
        Page("Users to look at", "visibility", "provisioning.wakeup"),
        Page("Provisioning", "sync", "provisioning.provisioningtask"),
        Page("SFTP accounts", "folder_shared", "provisioning.sftpgoaccount"),
        Page("Claim links", "link", "provisioning.claimlink"),
        Page("External tokens", "passkey", "provisioning.externaltoken"),
    ],
    "Access": [
        Page("API keys", "key", "apikeys.apikey"),
        Page("Key templates", "content_copy", "apikeys.keytemplate"),
        Page("Tiers", "layers", "apikeys.tier"),
        Page("Grants", "verified_user", "apikeys.grant"),
        Page("Counters", "speed", "apikeys.counter"),
        Page("Leaks", "lock_open", "apikeys.leak"),
        Page("Anomalies", "monitoring", "apikeys.anomaly", fresh_anomalies),
        Page("IP rules", "block", "apikeys.iprule"),
    ],
    "Traffic": [
        Page("Requests", "swap_horiz", "apikeys.requestlog"),
        Page("Usage", "bar_chart", "apikeys.dailyusage"),
        Page("Upstreams", "dns", "proxy.upstream"),
        Page("Models", "smart_toy", "proxy.upstreammodel"),
        Page("Upstream credentials", "vpn_key", "proxy.targetcredential"),
        Page("Prices", "sell", "proxy.price"),
    ],
    "Videos": [
        Page("Videos", "movie", "videos.video"),
        Page("Jobs", "manufacturing", "videos.processingjob"),
        Page("Uploads", "upload", "videos.upload"),
    ],
    "Records": [
        Page("Events", "history", "events.event"),
        Page("Mail", "mail", "events.mail"),
        Page("Webhooks", "webhook", "events.webhookendpoint"),
        Page("Deliveries", "outbox", "events.webhookdelivery"),
        Page("Unsubscribed", "unsubscribe", "events.unsubscription"),
    ],
    "System": [
        Page("Staff groups", "admin_panel_settings", "auth.group"),
        Page("Scheduled work", "schedule", "django_celery_beat.periodictask"),
        Page("Runs", "checklist", "common.jobrun"),
        Page("Crontabs", "calendar_clock", "django_celery_beat.crontabschedule"),
        Page("Intervals", "timer", "django_celery_beat.intervalschedule"),
    ],
}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """unfold's callback."""
    home = {"title": "Dashboard", "icon": "dashboard", "link": reverse_lazy("admin:index")}
    groups = [
        {"title": title, "separator": True, "items": [item(page, request) for page in pages]}
        for title, pages in GROUPS.items()
        if any(may_see(page)(request) for page in pages)
    ]
    return [{"items": [home]}, *groups]


def item(page: Page, request: HttpRequest) -> dict[str, Any]:
    name = page.model.replace(".", "_")
    return {
        **badge(page, request),
        "title": page.title,
        "icon": page.icon,
        "link": reverse_lazy(f"admin:{name}_changelist"),
        "permission": may_see(page),
    }


def badge(page: Page, request: HttpRequest) -> dict[str, str]:
    """Nothing where there is nothing to look at, and no query for whoever may not see the page."""
    count = page.fresh() if page.fresh is not None and may_see(page)(request) else 0
    if not count:
        return {}
    return {"badge": f"{count}" if count <= MOST else f"{MOST}+", "badge_variant": "warning"}


def may_see(page: Page) -> Callable[[HttpRequest], bool]:
    app, _, model = page.model.partition(".")

    def check(request: HttpRequest) -> bool:
        user: Any = request.user
        return any(user.has_perm(f"{app}.{verb}_{model}") for verb in ("view", "change"))

    return check
