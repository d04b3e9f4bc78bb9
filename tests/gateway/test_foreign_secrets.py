"""Imported secrets at the gateway: known within half a second, counted when wrong, never logged."""

import json
import time
import uuid
from collections.abc import Iterator

import pytest
from redis import Redis

from tests import make
from tests.apikeys.stored import DAMAGED, argon2id, imported, sha256
from tests.gateway.conftest import Database, Start
from tests.gateway.processes import Gateway, request, rows_of
from tests.gateway.test_lock_out import RULES, code, valkey  # noqa: F401  a fixture
from tests.gateway.wire import Answer, within
from tests.gateway.wiretap import Wiretap

HERE = "203.0.113.60"


@pytest.fixture
def secret(database: Database, seeded: str) -> Iterator[str]:
    yield f"old_{uuid.uuid4().hex}"
    database.change("DELETE FROM apikeys_foreignsecret WHERE format = 'old_'")


def known(database: Database, secret: str, digest: str | None = None) -> uuid.UUID:
    """Import it, and wait as long as it may take until every process knows its format."""
    with database.rows():
        key = imported(secret, digest, owner=f"f-{uuid.uuid4().hex[:8]}", begins="old_")
        assert key.owner is not None
        make.Grant.objects.create(member=key.owner, upstream="echo")
    time.sleep(0.5)
    return key.pk


def ask(gateway: Gateway, secret: str, field: str = "X-API-Key: ") -> Answer:
    return gateway.get("/proxy/echo/x", "", f"{field}{secret}", f"X-Forwarded-For: {HERE}")


def stored(database: Database, key_id: uuid.UUID) -> str:
    rows = database.fetch("SELECT digest FROM apikeys_foreignsecret WHERE key_id = %s", key_id)
    return str(rows[0][0])


def wrong(secret: str) -> str:
    return secret[:-1] + ("x" if secret[-1] != "x" else "y")


@pytest.mark.parametrize("form", [sha256, argon2id])
def test_an_import_is_followed_within_half_a_second_and_stored_as_our_own(
    gateway: Gateway, database: Database, secret: str, form: object
) -> None:
    assert code(ask(gateway, secret)) == "invalid_key"
    assert callable(form)

    key_id = known(database, secret, form(secret))

    assert ask(gateway, secret).status == 200
    assert within(3, lambda: stored(database, key_id).startswith("hmac-sha256$"))
    assert ask(gateway, secret).status == 200
    assert code(ask(gateway, wrong(secret))) == "invalid_key"


@pytest.mark.parametrize("field", ["X-API-Key: ", "api-key: ", "Authorization: Bearer "])
def test_every_credential_header_takes_it_and_no_upstream_sees_it(
    gateway: Gateway, database: Database, secret: str, field: str
) -> None:
    known(database, secret)

    answer = ask(gateway, secret, field)

    assert answer.status == 200
    assert secret.encode() not in answer.body


def test_two_of_them_are_ambiguous(gateway: Gateway, database: Database, secret: str) -> None:
    known(database, secret)

    answer = gateway.get("/proxy/echo/x", secret, f"X-API-Key: {secret}")

    assert (answer.status, code(answer)) == (400, "ambiguous_credentials")


def test_who_asks_about_it_learns_the_key(
    gateway: Gateway, database: Database, secret: str
) -> None:
    key_id = known(database, secret)
    with database.rows():
        caller = make.service_key("validator").secret

    def verified(text: str) -> dict[str, object]:
        body = json.dumps({"key": text}).encode()
        lines = request(
            "POST", "/api/v1/keys/verify", caller, "Content-Type: application/json", body=body
        )
        found: dict[str, object] = json.loads(gateway.ask(lines).body)
        return found

    found = verified(secret)
    assert (found["valid"], found["key_id"]) == (True, str(key_id))
    assert verified(wrong(secret))["code"] == "invalid_key"


def test_wrong_ones_lock_the_address_and_a_right_one_passes(
    start: Start,
    database: Database,
    secret: str,
    valkey: Redis,  # noqa: F811
) -> None:
    gateway = start(2, **RULES).wait_until_ready()
    known(database, secret)
    assert ask(gateway, secret).status == 200
    guesses = [f"old_{uuid.uuid4().hex}" for _ in range(7)]

    assert [code(ask(gateway, guess)) for guess in guesses] == [
        *["invalid_key"] * 5,
        *["locked_out"] * 2,
    ]
    assert ask(gateway, secret).status == 200

    rows = rows_of(database.url, "client_address = %s", HERE)
    lines = "".join(gateway.lines) + repr(rows)
    assert not [guess for guess in [secret, *guesses] if guess[:20] in lines]


def test_without_a_known_format_nothing_is_asked(
    start: Start,
    database: Database,
    secret: str,
    valkey: Redis,  # noqa: F811
) -> None:
    tap = Wiretap(database.url)
    try:
        gateway = start(1, **RULES, DATABASE_URL=tap.url).wait_until_ready()
        assert [code(ask(gateway, f"new_{secret}")) for _ in range(7)] == ["invalid_key"] * 7
        assert b"text:new_" not in tap.sent
        known(database, secret)
        assert [code(ask(gateway, f"new_{secret}")) for _ in range(7)] == ["invalid_key"] * 7
        assert b"text:new_" not in tap.sent
        assert ask(gateway, secret).status == 200
        assert b"text:old_" in tap.sent
    finally:
        gateway.kill()
        tap.stop()


def test_damaged_digests_are_invalid_keys(start: Start, database: Database, secret: str) -> None:
    gateway = start().wait_until_ready()
    key_id = known(database, secret)
    assert ask(gateway, secret).status == 200
    assert within(3, lambda: stored(database, key_id).startswith("hmac-sha256$"))

    for text in DAMAGED:
        database.change(
            "UPDATE apikeys_foreignsecret SET digest = %s WHERE key_id = %s", text, key_id
        )
        assert code(ask(gateway, secret)) == "invalid_key", text

    assert sum("stored digest is damaged" in line for line in gateway.lines) == 1
    assert secret not in "".join(gateway.lines)
