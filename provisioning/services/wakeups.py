"""Wake-ups: a user who is said to have changed is fetched from WordPress and applied as found.

So a body that was forged or replayed changes nothing but when WordPress is asked.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import Site, User
from accounts.services import Profile
from events.kinds import Kind
from events.services import record
from momentry.common import wake as relay
from momentry.common.errors import MomentryError
from provisioning.foreign import WakeUpCall
from provisioning.models import InboxEvent, Outcome, WakeUp
from provisioning.services.inbox import OVERTAKEN, State, apply_current, serialise
from provisioning.wordpress import Snapshot, invalid
from provisioning.wordpressrest import WordPressError, WordPressRest

logger = logging.getLogger(__name__)

FIRST_PAUSE: Final = timedelta(seconds=10)
LONGEST_PAUSE: Final = timedelta(hours=1)
MOST_ATTEMPTS: Final = 12
TAKEN_FOR: Final = timedelta(seconds=90)  # longer than one look takes
BATCH: Final = 20


@transaction.atomic
def wake(site: Site, call: WakeUpCall, now: datetime) -> str:
    """``queued``, or ``duplicate`` when the newest word on this user was this very content."""
    serialise(site, call.wordpress_id)
    told = InboxEvent.objects.filter(site=site, wordpress_id=call.wordpress_id).order_by("-pk")
    newest = told.first()
    if newest is not None and newest.event_id == call.event_id:
        return "duplicate"
    told.filter(event_id=call.event_id).delete()  # it says so again: it changed there and back
    member = User.objects.filter(site=site, wordpress_id=call.wordpress_id).first()
    InboxEvent.objects.create(
        site=site,
        event_id=call.event_id,
        type=call.topic,
        sequence=0,
        wordpress_id=call.wordpress_id,
        outcome=Outcome.APPLIED,
        member=member,
    )
    queue(site, call.wordpress_id, now)
    return "queued"


def queue(site: Site, wordpress_id: int, now: datetime) -> None:
    """Have the user looked at; a look that goes on already is followed by another."""
    rows = WakeUp.objects.filter(site=site, wordpress_id=wordpress_id)
    fresh = {"attempts": 0, "due_at": now, "failed_at": None, "last_error": ""}
    if not rows.update(calls=F("calls") + 1, **fresh):
        WakeUp.objects.create(site=site, wordpress_id=wordpress_id, due_at=now)
    relay.call("wordpress")


@transaction.atomic
def queue_again(row: WakeUp, now: datetime, *, actor: str) -> None:
    """One that was given up, or waits, is looked at now."""
    queue(row.site, row.wordpress_id, now)
    subject = f"site:{row.site_id.hex}"
    record(Kind.WAKEUP_RETRIED, actor=actor, subject=subject, wordpress_id=row.wordpress_id)


def look_at_due(now: datetime, is_over: Callable[[], bool] = lambda: False) -> int:
    """Look at those that are due; how many were done. Several may run at once. ``is_over``: is the
    process to end? What is left then is looked at by the next."""
    due = WakeUp.objects.filter(due_at__lte=now, failed_at=None, site__disabled_at=None)
    done = 0
    for row in due.select_related("site").order_by("due_at")[:BATCH]:
        if is_over():
            break
        mine = WakeUp.objects.filter(pk=row.pk, due_at=row.due_at)
        if mine.update(due_at=timezone.now() + TAKEN_FOR):
            done += look(row, now)
    return done


def look(row: WakeUp, now: datetime) -> bool:
    try:
        outcome = refresh(row.site, row.wordpress_id)
    except MomentryError as error:
        postpone(row, now, error.detail)
        return False
    except WordPressError as error:
        postpone(row, now, str(error))
        # Its others need not fail one by one, while those of other sites wait.
        others = WakeUp.objects.filter(site=row.site, due_at__lte=now, failed_at=None)
        others.update(due_at=now + FIRST_PAUSE)
        return False
    rows = WakeUp.objects.filter(pk=row.pk)
    if outcome == OVERTAKEN or not rows.filter(calls=row.calls).delete()[0]:
        rows.update(due_at=now)  # it changed, or was said again, meanwhile
        return False
    return True


def postpone(row: WakeUp, now: datetime, why: str) -> None:
    attempts = row.attempts + 1
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(row.attempts, 10))
    has_failed = attempts >= MOST_ATTEMPTS
    WakeUp.objects.filter(pk=row.pk, calls=row.calls).update(
        attempts=attempts,
        due_at=now + pause,
        last_error=why[:200],
        failed_at=now if has_failed else None,
    )
    logger.warning("WordPress user not read", extra={"site": row.site_id.hex, "why": why})


def refresh(site: Site, wordpress_id: int, api: WordPressRest | None = None) -> str:
    """Fetch one user and apply what is so. Raises WordPressError, and MomentryError invalid_input
    for a user no member can be made of."""
    seen = state_of(site, wordpress_id)
    found = (api or WordPressRest(site)).user(wordpress_id)
    if found is None and seen is None:  # neither here nor there
        return "unknown"
    try:
        return apply_current(site, found or gone(site, wordpress_id), seen=seen)
    except ValidationError as error:
        raise invalid("#", f"no member can have this {', '.join(error.message_dict)}") from None


def state_of(site: Site, wordpress_id: int) -> State | None:
    """What is known before WordPress is asked; None for whom nobody knows."""
    member = User.objects.filter(site=site, wordpress_id=wordpress_id).first()
    return State.of(member) if member else None


def gone(site: Site, wordpress_id: int) -> Snapshot:
    member = User.objects.get(site=site, wordpress_id=wordpress_id)
    profile = Profile(member.username, member.email, member.display_name, member.locale)
    return Snapshot("", "user.deleted", 0, wordpress_id, "deleted", profile)
