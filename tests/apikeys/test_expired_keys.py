"""manage.py expired_keys and beat: apikey:expired once for each end of a key."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from apikeys.models import ApiKey
from apikeys.services import expiry
from apikeys.services.keys import revoke_key
from apikeys.services.life import disable_key, quarantine_key
from apikeys.tasks import tell_expired
from events.models import Event
from tests import make

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def ended(ago: timedelta = HOUR, **given: Any) -> ApiKey:
    key = make.key(make.member(f"m{ApiKey.objects.count()}")).key
    put(key, timezone.now() - ago)
    return key


def put(key: ApiKey, end: datetime | None) -> None:
    before = timezone.now() - timedelta(days=100)
    ApiKey.objects.filter(pk=key.pk).update(expires_at=end, created_at=before)
    key.refresh_from_db()


def told() -> list[str]:
    rows = Event.objects.filter(kind="apikey:expired").order_by("id")
    return list(rows.values_list("subject", flat=True))


def test_the_end_is_told_once_by_command_and_by_beat() -> None:
    key, out = ended(), StringIO()
    put(make.key().key, timezone.now() + HOUR)
    make.key(make.member("forever"))

    call_command("expired_keys", stdout=out)
    tell_expired()

    assert out.getvalue().strip() == "Told that 1 keys expired."
    event = Event.objects.get(kind="apikey:expired")
    assert (event.subject, event.actor) == (f"key:{key.pk.hex}", "command")
    end = key.expires_at.isoformat().replace("+00:00", "Z")
    assert json.loads(str(event.details)) == {"expires_at": end}


def test_a_disabled_key_ends_too_and_what_ended_otherwise_did_not_expire() -> None:
    stopped, revoked, leaked = ended(-HOUR), ended(-HOUR), ended(-HOUR)
    disable_key(stopped, actor="test")
    revoke_key(revoked, actor="test")
    quarantine_key(leaked, actor="test")

    assert expiry.tell_expired(timezone.now() + 2 * HOUR, actor="test") == 1

    assert told() == [f"key:{stopped.pk.hex}"]


def test_an_end_that_was_put_off_is_told_when_it_comes() -> None:
    key, now = ended(), timezone.now()
    assert expiry.tell_expired(now, actor="test") == 1

    put(key, now + HOUR)
    assert expiry.tell_expired(now + HOUR / 2, actor="test") == 0
    assert expiry.tell_expired(now + 2 * HOUR, actor="test") == 1
    put(key, now - HOUR)
    assert expiry.tell_expired(now + 3 * HOUR, actor="test") == 0

    assert len(told()) == 2


def test_one_that_cannot_be_recorded_is_told_by_the_next_run(monkeypatch: Any) -> None:
    ended()

    def full(*_: Any, **__: Any) -> None:
        raise OSError("no room")

    with monkeypatch.context() as patched:
        patched.setattr(expiry, "record", full)
        with pytest.raises(OSError, match="no room"):
            expiry.tell_expired(timezone.now(), actor="test")

    assert expiry.tell_expired(timezone.now(), actor="test") == 1


def test_more_than_a_batch_are_told(monkeypatch: Any) -> None:
    keys = [ended() for _ in range(5)]
    monkeypatch.setattr(expiry, "BATCH", 2)

    assert expiry.tell_expired(timezone.now(), actor="test") == 5
    assert sorted(told()) == sorted(f"key:{key.pk.hex}" for key in keys)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_runs_at_once_tell_each_once() -> None:
    keys, together = [ended() for _ in range(6)], threading.Barrier(2)

    def run(_: int) -> int:
        together.wait(10)
        try:
            return expiry.tell_expired(timezone.now(), actor="test")
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(run, range(2)))

    assert sum(counts) == len(told()) == len(keys)
