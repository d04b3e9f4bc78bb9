"""`ledger_verify`: right books pass, wrong ones are named with exit code 1."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from apikeys.models import Counter, Lease

pytestmark = pytest.mark.django_db


def counter(**values: int) -> Counter:
    return Counter.objects.create(
        subject="member:1", metric="requests", period="month", period_start=timezone.now(), **values
    )


def test_right_books() -> None:
    made = counter(used=9, leased=4)
    Lease.objects.create(process="a", counter=made, granted=3, spent=1, seq=1)
    Lease.objects.create(process="b", counter=made, granted=1, seq=1)
    out = StringIO()

    call_command("ledger_verify", stdout=out)

    assert out.getvalue() == "The books of all 1 counters are right; 4 on lease.\n"


def test_a_lease_that_its_counter_does_not_know() -> None:
    counter(used=1)
    wrong = counter(used=9, leased=4)
    Lease.objects.create(process="a", counter=wrong, granted=5, seq=1)
    out = StringIO()

    with pytest.raises(CommandError, match="1 of 2"):
        call_command("ledger_verify", stdout=out)

    assert out.getvalue().startswith(f"counter {wrong.pk}, member:1 requests/month")
    assert "leases hold 5" in out.getvalue()
