"""API_KEY_HASHER: both forms are verified, the other one is stored anew when it is used."""

import os
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apikeys import hasher, keyformat, phc
from apikeys.digest import Peppers
from apikeys.gate import slow
from apikeys.models import ApiKey, RetiredSecret
from apikeys.services import gate, hashing
from apikeys.services.prover import get_prover
from momentry.common.env import ConfigurationError, Environment
from momentry.supervisor.places import ROOT
from tests import make
from tests.apikeys.calls import KEYS, client, code
from tests.apikeys.stored import argon2id, digest_of, older_pepper

pytestmark = pytest.mark.django_db


@pytest.fixture
def slowly(settings):
    settings.API_KEY_HASHER = "argon2id"


@pytest.fixture
def full_queue():
    """The slow thread is at work and all places are taken until the test ends."""
    go = threading.Event()
    proofs = get_prover().slow
    taken = [proofs.run(go.wait) for _ in range(slow.QUEUE)]
    yield
    go.set()
    for one in taken:
        one.result(5)


@pytest.mark.parametrize("text", ["", "hmac-sha256", "argon2id"])
def test_the_setting(text):
    assert hasher.read_hasher(Environment({"API_KEY_HASHER": text})) == (text or "hmac-sha256")


@pytest.mark.parametrize("text", ["argon2", "Argon2id", "bcrypt", "hmac"])
def test_another_value_is_refused_by_name(text):
    with pytest.raises(ConfigurationError, match="API_KEY_HASHER must be one of hmac-sha256, arg"):
        hasher.read_hasher(Environment({"API_KEY_HASHER": text}))


def test_a_bad_value_stops_django_s_start():
    found = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT, env={**os.environ, "API_KEY_HASHER": "bcrypt"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (found.returncode, len(found.stderr.splitlines())) == (1, 1)
    assert found.stderr.startswith("API_KEY_HASHER must be one of")


def test_by_default_an_hmac_is_stored():
    assert digest_of(make.key().key).startswith(f"hmac-sha256${gate.peppers().newest}$")


def test_argon2id_is_stored_and_verified_when_it_is_chosen(slowly):
    issued = make.key()

    stored = phc.parse(digest_of(issued.key))
    assert (stored.cost, len(stored.salt), len(stored.hash)) == ((19_456, 2, 1), 16, 32)
    assert code(issued.secret) == ""
    assert code(wrong(issued.secret)) == "invalid_key"


def test_rotation_and_issue_use_it_too(slowly, admin_api):
    issued = make.key()

    new = admin_api.post(f"{KEYS}/{issued.key.pk}/rotate", {}).json()["api_key"]

    assert phc.parse(digest_of(issued.key)).matches(new)
    assert (code(new), code(issued.secret)) == ("", "")


@pytest.mark.parametrize(("before", "after"), [hasher.HASHERS, hasher.HASHERS[::-1]])
def test_the_other_form_is_stored_anew_on_use(settings, before, after):
    settings.API_KEY_HASHER = before
    issued = make.key()
    old = digest_of(issued.key)

    settings.API_KEY_HASHER = after
    assert code(issued.secret) == ""

    new = digest_of(issued.key)
    assert hasher.is_current(new, after, gate.peppers())
    assert not hasher.is_current(old, after, gate.peppers())
    assert code(issued.secret) == ""
    assert digest_of(issued.key) == new


def test_a_digest_of_an_old_pepper_is_stored_anew(monkeypatch):
    issued = make.key()
    both, old = older_pepper(issued.secret)
    ApiKey.objects.filter(pk=issued.key.pk).update(digest=old)
    monkeypatch.setattr(gate, "peppers", lambda: both)

    assert code(issued.secret) == ""

    assert digest_of(issued.key) == both.digest(issued.secret)


def test_a_retired_one_is_stored_anew_and_keeps_its_end(monkeypatch):
    issued = make.key()
    both, old = older_pepper(issued.secret)
    ApiKey.objects.filter(pk=issued.key.pk).update(digest=both.digest("another"))
    end = timezone.now() + timedelta(hours=1)
    RetiredSecret.objects.create(key=issued.key, digest=old, ends_at=end)
    monkeypatch.setattr(gate, "peppers", lambda: both)

    assert code(issued.secret) == ""

    row = issued.key.retired_secrets.get()
    assert (row.digest, row.ends_at) == (both.digest(issued.secret), end)
    assert digest_of(issued.key) == both.digest("another")


def test_what_was_stored_anew_is_the_same_version_to_everybody(admin_api):
    issued = make.key()
    ApiKey.objects.filter(pk=issued.key.pk).update(digest=argon2id(issued.secret))
    before = admin_api.get(f"{KEYS}/{issued.key.pk}")

    assert code(issued.secret) == ""

    after = admin_api.get(f"{KEYS}/{issued.key.pk}")
    assert (after.headers["ETag"], after.json()["version"]) == (
        before.headers["ETag"],
        before.json()["version"],
    )


def test_a_wrong_secret_stores_nothing():
    issued = make.key()
    old = argon2id(issued.secret)
    ApiKey.objects.filter(pk=issued.key.pk).update(digest=old)

    assert code(wrong(issued.secret)) == "invalid_key"

    assert digest_of(issued.key) == old


def test_a_failing_upgrade_fails_no_request(caplog):
    issued = make.key()
    old = argon2id(issued.secret)
    ApiKey.objects.filter(pk=issued.key.pk).update(digest=old)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION pg_temp.no() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'read-only'; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER no BEFORE UPDATE OF digest ON apikeys_apikey"
            " FOR EACH ROW EXECUTE FUNCTION pg_temp.no()"
        )

    assert code(issued.secret) == ""
    assert code(issued.secret) == ""

    assert digest_of(issued.key) == old
    warnings = [record for record in caplog.records if "stored anew" in record.message]
    assert len(warnings) == 1  # it is not tried again with each request
    assert issued.secret not in caplog.text
    assert old not in caplog.text


def test_a_current_digest_costs_no_statement_more():
    issued = make.key()
    caller = client(issued.secret)
    caller.get("/api/v1/me")

    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert caller.get("/api/v1/me").status_code == 200

    assert not [query["sql"] for query in queries if "SET digest" in query["sql"]]


def test_an_unknown_key_costs_a_slow_proof_too(slowly, monkeypatch):
    issued = make.key()
    asked = []
    prove = slow.SlowProofs.prove
    monkeypatch.setattr(
        slow.SlowProofs, "prove", lambda *given: asked.append(given[2]) or prove(*given)
    )

    assert code(wrong(issued.secret)) == "invalid_key"
    ApiKey.objects.filter(pk=issued.key.pk).update(digest=None)
    assert code(issued.secret) == "invalid_key"

    costs = [[phc.parse(digest).cost for digest in digests] for digests in asked]
    assert costs == [[phc.OWN], [phc.OWN]]


def test_a_verified_secret_is_proven_once(slowly, full_queue_after_first_call):
    issued = make.key()

    full_queue_after_first_call(lambda: code(issued.secret))

    assert code(issued.secret) == ""


@pytest.fixture
def full_queue_after_first_call(request):
    def call(first):
        assert first() == ""
        request.getfixturevalue("full_queue")

    return call


def test_a_full_queue_is_503_and_no_401(slowly, full_queue):
    issued = make.key()

    answer = client(issued.secret).get("/api/v1/me")

    assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
    assert int(answer.headers["Retry-After"]) >= 1


def test_a_full_queue_is_told_to_who_asks_about_a_key(full_queue):
    issued = make.key()
    ApiKey.objects.filter(pk=issued.key.pk).update(digest=argon2id(issued.secret))
    caller = client(make.service_key("validator").secret)

    answer = caller.post("/api/v1/keys/verify", {"key": issued.secret})

    assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")


def test_a_full_queue_slows_no_hmac(full_queue):
    assert code(make.key().secret) == ""


@pytest.mark.parametrize("how", ["revoked_at", "rotated"])
def test_what_was_proven_ends_with_the_key(slowly, admin_api, how):
    issued = make.key()
    assert code(issued.secret) == ""

    if how == "rotated":
        admin_api.post(f"{KEYS}/{issued.key.pk}/rotate", {"grace_seconds": 0})
        assert code(issued.secret) == "invalid_key"
    else:
        ApiKey.objects.filter(pk=issued.key.pk).update(revoked_at=timezone.now())
        assert code(issued.secret) == "key_revoked"


def test_digest_of_is_what_the_gate_verifies(settings):
    peppers: Peppers = gate.peppers()
    for name in hasher.HASHERS:
        settings.API_KEY_HASHER = name
        assert hasher.is_current(hashing.digest_of("secret"), name, peppers)


def wrong(secret: str) -> str:
    """Well-formed and of the same key."""
    parsed = keyformat.parse(secret)
    assert parsed is not None
    return keyformat.mint(parsed.prefix, parsed.key_id, owner="x", pepper=bytes(32), at=1)
