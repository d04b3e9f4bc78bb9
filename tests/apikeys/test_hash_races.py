"""An upgrade on use beside a rotation, a revoke or a purge: nothing is lost, nothing comes back."""

import threading
import time
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.utils import timezone

from apikeys.gate.effects import Upgrade
from apikeys.models import ApiKey
from apikeys.services import gate, prover, rotate
from apikeys.services.keys import revoke_key
from apikeys.services.makers import system
from apikeys.services.upkeep import purge_keys
from tests import make
from tests.apikeys.calls import code
from tests.apikeys.stored import argon2id, digest_of

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
ROOT = system("test")


@pytest.fixture
def issued():
    made = make.key()
    ApiKey.objects.filter(pk=made.key.pk).update(digest=argon2id(made.secret))
    return made


def upgrade(issued):
    """As the door does when it has proven the secret by the old digest."""
    try:
        effect = Upgrade(issued.secret, issued.key.pk, argon2id(issued.secret))
        prover.store_anew(effect, gate.policy())
    finally:
        connection.close()


def test_a_rotation_is_not_refused_for_an_upgrade(issued, monkeypatch):
    beside = threading.Thread(target=upgrade, args=[issued])
    mint = rotate.mint

    def mint_while_it_upgrades(*given):
        beside.start()
        time.sleep(0.3)
        return mint(*given)

    monkeypatch.setattr(rotate, "mint", mint_while_it_upgrades)
    new = rotate.rotate_key(issued.key, maker=ROOT).secret
    beside.join()

    assert digest_of(issued.key) == gate.peppers().digest(new)
    assert (code(new), code(issued.secret)) == ("", "")


def test_an_upgrade_that_comes_late_changes_nothing(issued):
    new = rotate.rotate_key(issued.key, maker=ROOT, grace=timedelta(0)).secret

    upgrade(issued)

    assert digest_of(issued.key) == gate.peppers().digest(new)
    assert code(issued.secret) == "invalid_key"


def test_an_upgrade_beside_a_revoke_and_a_purge_brings_nothing_back(issued):
    revoke_key(issued.key, actor=make.ACTOR)
    upgrade(issued)
    assert code(issued.secret) == "key_revoked"

    ago = timezone.now() - timedelta(days=400)
    ApiKey.objects.filter(pk=issued.key.pk).update(revoked_at=ago)
    purge_keys(timezone.now(), django_settings.KEY_PURGE_AFTER, actor=make.ACTOR)
    upgrade(issued)

    assert digest_of(issued.key) is None
    assert code(issued.secret) == "invalid_key"
