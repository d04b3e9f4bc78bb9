"""manage.py purge_keys: what ended long ago becomes a tombstone, and nothing else does."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from apikeys.models import ApiKey, Grant, RetiredSecret
from apikeys.services import upkeep
from apikeys.services.keys import issue_secret
from events.models import Event
from momentry.common.errors import MomentryError
from tests import make
from tests.apikeys.calls import code

pytestmark = pytest.mark.django_db


def run(*arguments):
    out = StringIO()
    call_command("purge_keys", *arguments, stdout=out)
    return out.getvalue().strip()


def ended(field, days, owner=None):
    issued = make.key(owner)
    at = timezone.now() - timedelta(days=days)
    ApiKey.objects.filter(pk=issued.key.pk).update(**{field: at})
    return issued


def test_a_tombstone_has_nothing_that_could_open_or_tell(admin_api):
    issued = ended("revoked_at", 91)
    key = issued.key
    ApiKey.objects.filter(pk=key.pk).update(metadata={"a": 1}, description="d")
    Grant.objects.create(key=key, upstream="echo")
    RetiredSecret.objects.create(key=key, digest="x", ends_at=timezone.now() + timedelta(days=1))

    assert run() == "Purged 1 keys."

    owner = key.owner_id
    key.refresh_from_db()
    assert (key.digest, key.name, key.description, key.metadata) == (None, "", "", {})
    assert key.purged_at is not None
    assert (key.owner_id, key.key_prefix[:6]) == (owner, "muser_")
    assert not RetiredSecret.objects.exists()
    assert not Grant.objects.filter(key=key).exists()
    assert Event.objects.get(kind="apikey:purged").subject == f"key:{key.pk.hex}"
    assert code(issued.secret) == "invalid_key"


@pytest.mark.parametrize("field", ["revoked_at", "quarantined_at", "expires_at"])
def test_every_end_counts_from_its_own_day(field, settings):
    settings.KEY_PURGE_AFTER = timedelta(days=10)
    alice = make.member()
    due, early = ended(field, 11, alice), ended(field, 9, alice)

    run()

    purged = ApiKey.objects.exclude(purged_at=None)
    assert list(purged) == [due.key]
    assert early.key not in purged


def test_live_disabled_and_unclaimed_keys_stay():
    alice = make.member()
    make.key(alice)
    ended("disabled_at", 1000, alice)

    assert run() == "Purged 0 keys."


def test_a_dry_run_says_what_would_go_and_leaves_it():
    key = ended("revoked_at", 91).key

    text = run("--dry-run")

    assert text.startswith(str(key.pk))
    assert text.endswith("Would purge 1 keys.")
    key.refresh_from_db()
    assert (key.purged_at, key.name) == (None, "test key")


def test_running_twice_purges_once(monkeypatch):
    monkeypatch.setattr(upkeep, "BATCH", 2)
    alice = make.member()
    for _ in range(5):
        ended("revoked_at", 91, alice)

    assert [run(), run()] == ["Purged 5 keys.", "Purged 0 keys."]
    assert Event.objects.filter(kind="apikey:purged").count() == 5


def test_a_tombstone_is_never_claimed_anew():
    key = ended("expires_at", 91).key
    run()

    with pytest.raises(MomentryError, match="conflict"):
        issue_secret(key)
