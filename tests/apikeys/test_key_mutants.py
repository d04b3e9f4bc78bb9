"""AUTH-05 and AUTH-12 with numbers: no slip of a key passes, and what its random part is worth."""

import math
import secrets
import time
import uuid
from collections import Counter

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apikeys import keyformat
from apikeys.gate.imported import HAS_SLOW_SQL
from tests import make
from tests.apikeys.mutants import ALPHABET, KINDS, sample

PEPPER = bytes(range(32))


def fresh(prefix: str = "muser") -> str:
    now = int(time.time())
    return keyformat.mint(prefix, uuid.uuid4(), owner="alice", pepper=PEPPER, at=now)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("prefix", keyformat.PREFIXES)
def test_no_slip_of_a_key_passes(kind, prefix):
    secret = fresh(prefix)

    assert [text for text in kind(secret) if text != secret and keyformat.parse(text)] == []


def test_of_100000_random_slips_none_passes():
    """Of one to four characters at once; by chance one in 4,294,967,296 would."""
    secret, passed = fresh(), 0
    for _ in range(100_000):
        text = list(secret)
        for _ in range(1 + secrets.randbelow(4)):
            text[secrets.randbelow(len(text))] = secrets.choice(ALPHABET)
        mutant = "".join(text)
        passed += mutant != secret and keyformat.parse(mutant) is not None

    assert passed == 0


def test_the_random_part_holds_256_bits():
    assert keyformat.RANDOM_LENGTH * math.log2(len(set(keyformat.BASE62))) >= 256


def test_every_place_of_it_takes_every_character():
    """2,000 keys: by chance one place lacks one character with a probability of 2e-11."""
    parts = [fresh().split("_")[3] for _ in range(2000)]

    for place in range(keyformat.RANDOM_LENGTH):
        seen = Counter(part[place] for part in parts)
        assert set(seen) == set(keyformat.BASE62)
        assert max(seen.values()) < 100  # of 32 expected


def test_the_system_s_generator_is_asked(monkeypatch):
    asked = []
    choice = secrets.choice
    monkeypatch.setattr(secrets, "choice", lambda found: asked.append(found) or choice(found))

    fresh()

    assert asked == [keyformat.BASE62] * keyformat.RANDOM_LENGTH


@pytest.mark.django_db
def test_no_slip_passes_django_s_door_or_costs_a_look_up(api):
    secret = make.key().secret
    assert api.get("/api/v1/me", HTTP_X_API_KEY=secret).status_code == 200

    with CaptureQueriesContext(connection) as queries:
        found = Counter(
            api.get("/api/v1/me", HTTP_X_API_KEY=mutant).status_code
            for mutant in sample(secret)
            if mutant.strip(" \t") != secret
        )

    assert set(found) <= {400, 401}
    assert found[401] > 20
    asked = [query["sql"] for query in queries if query["sql"] != HAS_SLOW_SQL]  # of no key
    assert not [sql for sql in asked if "FROM apikeys_apikey" in sql]
