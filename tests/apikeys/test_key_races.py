"""Two at once on one key: no lost secret, no resurrection, no lost update."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from apikeys.models import ApiKey, RetiredSecret
from apikeys.services.keys import revoke_key
from apikeys.services.life import disable_key, enable_key, quarantine_key
from apikeys.services.makers import system
from apikeys.services.rotate import rotate_key
from apikeys.services.update import update_key
from events.models import Event
from momentry.common.errors import MomentryError
from tests import make
from tests.apikeys.calls import code

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
ROOT = system("test")


def at_once(*calls):
    """What each call returned, or the code of its refusal; they start together."""
    barrier = threading.Barrier(len(calls))

    def run(call):
        barrier.wait()
        try:
            return call()
        except MomentryError as error:
            return error.code.code
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@pytest.mark.parametrize("attempt", range(4))
def test_of_two_rotations_at_once_each_given_secret_works(attempt):
    issued = make.key()
    rotate = lambda: rotate_key(issued.key, maker=ROOT)  # noqa: E731

    outcomes = at_once(rotate, rotate)

    won = [outcome.secret for outcome in outcomes if outcome != "conflict"]
    assert won
    assert [code(secret) for secret in (issued.secret, *won)] == [""] * (1 + len(won))
    assert RetiredSecret.objects.count() == len(won)
    assert Event.objects.filter(kind="apikey:rotated").count() == len(won)


@pytest.mark.parametrize("end", [revoke_key, quarantine_key])
@pytest.mark.parametrize("attempt", range(3))
def test_a_rotation_never_brings_an_ended_key_back(end, attempt):
    issued = make.key()

    ended, rotated = at_once(
        lambda: end(issued.key, actor="test"), lambda: rotate_key(issued.key, maker=ROOT)
    )

    assert ended is True
    secrets = [issued.secret] + ([] if rotated == "conflict" else [rotated.secret])
    assert {code(secret) for secret in secrets} <= {"key_revoked", "key_quarantined"}


def test_an_update_that_races_a_revoke_does_not_undo_it():
    key = make.key().key

    at_once(
        lambda: update_key(key.pk, {"name": "new"}, maker=ROOT),
        lambda: revoke_key(key, actor="test"),
        lambda: update_key(key.pk, {"description": "new"}, maker=ROOT),
    )

    key.refresh_from_db()
    assert key.revoked_at is not None
    changes = Event.objects.filter(kind="apikey:updated").count()
    assert key.version == 2 + 1 + changes


def test_an_update_that_races_a_rotation_keeps_both():
    issued = make.key()

    _, rotated = at_once(
        lambda: update_key(issued.key.pk, {"name": "new"}, maker=ROOT),
        lambda: rotate_key(issued.key, maker=ROOT),
    )

    issued.key.refresh_from_db()
    assert issued.key.name == "new"
    assert [code(secret) for secret in (issued.secret, rotated.secret)] == ["", ""]


def test_of_two_updates_from_one_version_one_wins():
    key = make.key().key
    key.refresh_from_db()
    seen = frozenset({key.version})

    outcomes = at_once(
        *(
            lambda name=name: update_key(key.pk, {"name": name}, maker=ROOT, versions=seen)
            for name in ("a", "b")
        )
    )

    assert outcomes.count("precondition_failed") == 1
    assert ApiKey.objects.get(pk=key.pk).version == key.version + 1


def test_each_change_is_recorded_once_however_many_ask():
    key = make.key().key

    done = at_once(*[lambda: disable_key(key, actor="test")] * 3)
    enabled = at_once(*[lambda: enable_key(key, maker=system("test"))] * 3)

    assert (sorted(done), sorted(enabled)) == ([False, False, True], [False, False, True])
    assert Event.objects.filter(kind__in=["apikey:disabled", "apikey:enabled"]).count() == 2
