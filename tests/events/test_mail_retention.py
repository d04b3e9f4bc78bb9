"""Letters that ended long ago leave the outbox; what waits stays, however old."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from events import mail, retention
from events.models import Mail

pytestmark = pytest.mark.django_db


def letter(days: int, **given: object) -> Mail:
    made = mail.queue("welcome", recipient="a@example.org", claim="0" * 32)
    at = timezone.now() - timedelta(days=days)
    Mail.objects.filter(pk=made.pk).update(
        created_at=at, **{name: at for name in given if given[name]}
    )
    return made


def test_what_ended_long_ago_goes_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    kept = [letter(89, sent_at=True), letter(400), letter(91, attempts=False)]
    for _ in range(2):
        for state in ("sent_at", "failed_at", "withheld_at"):
            letter(91, **{state: True})
    said = StringIO()

    call_command("purge_mails", stdout=said)

    assert said.getvalue() == "Purged 6 letters.\n"
    assert set(Mail.objects.values_list("pk", flat=True)) == {row.pk for row in kept}
