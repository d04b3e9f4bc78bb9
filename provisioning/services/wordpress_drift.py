"""Comparing a site's members with its users, and mending what differs.

A list says who differs; each of those is then asked for alone, so that what is applied is read
after what it is compared with (services/wakeups.py). Nobody is deleted because a list lacks them:
only because the whole list was read and WordPress then says itself that there is no such user.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from django.utils import timezone

from accounts import services as accounts
from accounts.models import Site, Status, User
from momentry.common.errors import MomentryError
from provisioning.models import Reconciliation
from provisioning.services.inbox import OVERTAKEN, is_excluded
from provisioning.services.reconcile import Finding, Order, ReconcileError, Reconciler
from provisioning.services.wakeups import refresh
from provisioning.wordpress import Snapshot
from provisioning.wordpressrest import WordPressError, WordPressRest, number_of, picture

logger = logging.getLogger(__name__)

MOST_LINES: Final = 500
KEPT: Final = 60  # comparisons of a site: two months of nights
MANY: Final = 20  # more missing users than this, and more than half, is another site
TRIES: Final = 3
MOST_FAILURES: Final = 5
NEW, GONE, PROFILE, STATUS = MENDED = ("new", "gone", "profile", "status")
UNREADABLE, FAILED, SAME, DELETED_HERE = "unreadable", "failed", "same", "deleted here"


@dataclass(frozen=True)
class How:
    """``delete_many``: also when more than half of the members are gone. ``reset_sequences``: the
    site's database was restored from a copy, its next webhooks are numbered below the last."""

    actor: str
    dry_run: bool = False
    delete_many: bool = False
    reset_sequences: bool = False


@dataclass
class Comparison:
    site: Site
    how: How
    counts: Counter[str] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)

    def tell(self, what: str, wordpress_id: int, text: str = "") -> None:
        self.counts[what] += 1
        if len(self.lines) < MOST_LINES:
            self.lines.append(f"user {wordpress_id}: {what}{text and ', '}{text}")


def reconcile_site(site: Site, how: How) -> Reconciliation:
    """Compare, mend unless it is a dry run, and keep the report. It raises nothing of WordPress."""
    report = Reconciliation.objects.create(site=site, actor=how.actor, is_dry_run=how.dry_run)
    found = Comparison(site, how)
    try:
        compare(found)
    except WordPressError as error:
        report.error = str(error)[:200]
    report.counts, report.lines = dict(found.counts), found.lines
    report.finished_at = timezone.now()
    report.save()
    forget_old(site)
    logger.info(
        "compared with WordPress",
        extra={"site": site.pk.hex, "counts": report.counts, "error": report.error},
    )
    return report


def forget_old(site: Site) -> None:
    kept = Reconciliation.objects.filter(site=site).order_by("-pk")[:KEPT].values("pk")
    Reconciliation.objects.filter(site=site).exclude(pk__in=kept).delete()


def compare(found: Comparison) -> None:
    api = WordPressRest(found.site)
    for page in api.pages():
        for wordpress_id, text in differing(found, page):
            mend(found, api, wordpress_id, text)
    missing(found, api)
    if found.how.reset_sequences and not found.how.dry_run:
        User.objects.filter(site=found.site).update(last_sequence=0)


def differing(found: Comparison, page: list[Any]) -> list[tuple[int, str]]:
    """Those of a page who are not here as they are there, and in what."""
    known = User.objects.filter(site=found.site, wordpress_id__in=[number_of(u) for u in page])
    members = {member.wordpress_id: member for member in known}
    differ: list[tuple[int, str]] = []
    for user in page:
        wordpress_id = number_of(user)
        found.seen.add(wordpress_id)
        try:
            there = picture(user)
        except MomentryError as error:
            found.tell(UNREADABLE, wordpress_id, why_of(error))
            continue
        what = difference(members.get(wordpress_id), there)
        if what == DELETED_HERE:
            found.tell(what, wordpress_id)
        elif what:
            differ.append((wordpress_id, what))
        else:
            found.counts[SAME] += 1
    return differ


def why_of(error: MomentryError) -> str:
    why = error.extra.get("errors", [{}])[0]
    return f"{why.get('pointer', '')} {why.get('detail', error.detail)}".strip()


def difference(member: User | None, there: Snapshot) -> str:
    """What differs, or "": ``new``, ``deleted here``, ``profile: …`` or ``status: …``."""
    if member is None:
        return "" if is_excluded(there) else NEW
    if member.status == Status.DELETED:
        return DELETED_HERE
    fields = [
        name for name, value in there.profile._asdict().items() if getattr(member, name) != value
    ]
    if fields:
        return f"{PROFILE}: {', '.join(fields)}"
    is_out = there.status != "active" or is_excluded(there)
    if is_out and member.status == Status.ACTIVE:
        return f"{STATUS}: suspended there"
    by_wordpress = member.status == Status.SUSPENDED and accounts.is_of_site(member)
    return f"{STATUS}: active there" if by_wordpress and not is_out else ""


def missing(found: Comparison, api: WordPressRest) -> None:
    """The whole list was read: who is not on it is asked for, and deleted if there is none."""
    alive = User.objects.filter(site=found.site).exclude(status=Status.DELETED)
    numbers = set(alive.values_list("wordpress_id", flat=True))
    lost = sorted(number for number in numbers - found.seen if number is not None)
    if len(lost) > MANY and len(lost) * 2 > len(numbers) and not found.how.delete_many:
        raise WordPressError(
            f"{len(lost)} of {len(numbers)} members are not there: is it another site? Nobody was"
            " deleted; --delete-many does."
        )
    for wordpress_id in lost:
        mend(found, api, wordpress_id, GONE)


def mend(found: Comparison, api: WordPressRest, wordpress_id: int, text: str) -> None:
    """WordPressError after too many failures: then it is WordPress that fails."""
    what, _, more = text.partition(": ")
    try:
        if found.how.dry_run:
            is_so = what != GONE or api.user(wordpress_id) is None
        else:
            is_so = brought(found.site, wordpress_id, api) != OVERTAKEN
    except MomentryError as error:
        found.tell(UNREADABLE, wordpress_id, why_of(error))
    except WordPressError as error:
        found.tell(FAILED, wordpress_id, str(error))
        if found.counts[FAILED] >= MOST_FAILURES:
            raise
    else:
        if is_so:
            found.tell(what, wordpress_id, more)


def brought(site: Site, wordpress_id: int, api: WordPressRest) -> str:
    """A webhook that comes in between wins, and is looked at again."""
    outcome = OVERTAKEN
    for _ in range(TRIES):
        outcome = refresh(site, wordpress_id, api)
        if outcome != OVERTAKEN:
            break
    return outcome


def run(order: Order) -> Iterator[Finding]:
    """One site after another; that one cannot be asked keeps no other from it."""
    sites = rows_of(order.site)
    if not sites:
        raise ReconcileError("There is no such site with a username and an Application Password.")
    failed = 0
    for site in sites:
        how = How(order.actor, order.is_dry, order.delete_many, order.reset_sequences)
        report = reconcile_site(site, how)
        for line in report.lines:
            who, _, found = line.partition(": ")
            what, _, detail = found.partition(", ")
            yield Finding(what, who, detail, what in MENDED)
        counts = ", ".join(f"{count} {what}" for what, count in sorted(report.counts.items()))
        yield Finding("compared", site.url, report.error or counts or "nobody is there")
        failed += bool(report.error)
    if failed:
        raise ReconcileError(f"{failed} of {len(sites)} sites were not compared whole.")


def rows_of(url: str = "") -> list[Site]:
    """Sites that can be asked, or the one with this URL."""
    rows = Site.objects.filter(disabled_at=None)
    if url:
        return list(rows.filter(url__in={url, url.rstrip("/") + "/"}))
    return list(rows.exclude(rest_username=""))


WORDPRESS: Final = Reconciler(
    name="wordpress",
    title="With the users of the WordPress sites.",
    is_configured=lambda: bool(rows_of()),
    run=run,
)
