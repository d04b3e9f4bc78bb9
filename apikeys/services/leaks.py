"""What becomes of a key whose secret was found where it should not be.

By LEAK_POLICY it is quarantined, with all its secrets: whoever had one could have rotated the key
and hold the newer one too. Its owner is told by mail, everybody else by the events.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import LIVE
from apikeys import keyformat
from apikeys.digest import CorruptDigest
from apikeys.leaks.proving import prove
from apikeys.leaks.settings import QUARANTINE
from apikeys.models import ApiKey, Leak, LeakOutcome, RetiredSecret
from apikeys.services import gate
from apikeys.services.life import quarantine_key
from events import mail
from events.kinds import Kind
from events.services import record
from momentry.common.ownkeys import without_keys, without_text
from momentry.common.veil import veils

LETTER: Final = "key_leaked"
TOLD_AGAIN: Final = timedelta(days=1)
LONGEST_WHERE: Final = 2000
LONGEST_SOURCE: Final = 60


@veils("source", "where")
class Report(NamedTuple):
    """``origin``: who found it. ``source``: in what, as the finder says. ``where``: address or
    path."""

    origin: str
    source: str = ""
    where: str = ""

    @property
    def place(self) -> str:
        return hashlib.sha256(f"{self.origin}\0{self.where}".encode(errors="replace")).hexdigest()

    def without(self, secret: str) -> "Report":
        """An address may hold the key itself, and what is told of the place would tell it on."""
        source, where = (
            without_keys(without_text(text, secret)) for text in (self.source, self.where)
        )
        return self._replace(source=source, where=where)


class Proven(NamedTuple):
    """``opens``: False of a secret that rotation retired and whose grace is over."""

    key_id: UUID
    opens: bool = True


def find_key(secret: str) -> Proven | None:
    """Whose secret it is; None when it is nobody's. Raises DatabaseUnavailable and Overloaded."""
    policy = gate.policy()
    key_id = gate.run(prove(secret, policy), policy)
    return Proven(key_id) if key_id is not None else find_retired(secret)


def find_retired(secret: str) -> Proven | None:
    """As long as its digest is kept, which is until the key's next rotation."""
    parsed = keyformat.parse(secret)
    if parsed is None:
        return None
    rows = RetiredSecret.objects.filter(key_id=parsed.key_id, ends_at__lte=timezone.now())
    digests = rows.values_list("digest", flat=True)
    return Proven(parsed.key_id, opens=False) if any(is_of(secret, d) for d in digests) else None


def is_of(secret: str, digest: str) -> bool:
    try:
        return gate.peppers().matches(secret, digest)
    except CorruptDigest:  # also Argon2id's: it opens nothing, so no slow proof is worth it
        return False


def outcome_of(key: ApiKey, proven: Proven) -> LeakOutcome:
    """What take_leak() would make of it."""
    if not proven.opens or key.revoked_at or key.quarantined_at or key.purged_at:
        return LeakOutcome.ENDED
    quarantines = settings.LEAKS.policy == QUARANTINE
    return LeakOutcome.QUARANTINED if quarantines else LeakOutcome.REPORTED


@transaction.atomic
def take_leak(proven: Proven, report: Report, *, secret: str, actor: str) -> LeakOutcome:
    """Recorded once for each place; quarantined whenever it still has to be. ``secret``: the text
    that was proven, which is kept nowhere."""
    report = report.without(secret)
    rows = ApiKey.objects.select_related("owner").select_for_update(of=("self",), no_key=True)
    key = rows.get(pk=proven.key_id)
    outcome = outcome_of(key, proven)
    leak, is_new = Leak.objects.get_or_create(
        key=key,
        place=report.place,
        defaults={
            "origin": report.origin,
            "source": report.source[:LONGEST_SOURCE],
            "where": report.where[:LONGEST_WHERE] or None,
            "outcome": outcome,
        },
    )
    if not is_new and outcome in {leak.outcome, LeakOutcome.ENDED}:
        return outcome
    leak.outcome = outcome
    record(
        Kind.APIKEY_LEAKED,
        actor=actor,
        subject=f"key:{key.pk.hex}",
        origin=leak.origin,
        source=leak.source,
        where=leak.where or "",
        outcome=outcome.value,
    )
    if outcome == LeakOutcome.QUARANTINED:
        reason = f"leaked ({report.origin})"
        quarantine_key(key, actor=actor, reason=reason, tells_owner=False)
    if outcome != LeakOutcome.ENDED and is_to_be_told(key, timezone.now()):
        tell_owner(key, leak)
    leak.save(update_fields=["outcome", "told_at"])
    return outcome


def is_to_be_told(key: ApiKey, now: datetime) -> bool:
    """That it ended in any case; else once a day, however many places there are."""
    owner = key.owner
    if owner is None or not owner.email or owner.status not in LIVE:
        return False
    if settings.LEAKS.policy == QUARANTINE:
        return True
    return not key.leaks.filter(told_at__gt=now - TOLD_AGAIN).exists()


def tell_owner(key: ApiKey, leak: Leak) -> None:
    owner = key.owner
    assert owner is not None  # noqa: S101  is_to_be_told() asked
    mail.queue(
        LETTER, recipient=owner.email, locale=owner.locale, leak=leak.pk.hex, member=owner.pk.hex
    )
    leak.told_at = timezone.now()
