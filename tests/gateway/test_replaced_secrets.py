"""AUTH-02: what runs ends with the secret that it came with, and not when that is stored anew."""

import time
import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest

from apikeys.services.makers import system
from apikeys.services.rotate import rotate_key
from momentry.common.fence.wait import wait
from tests.apikeys.stored import argon2id
from tests.gateway.conftest import Database, Start
from tests.gateway.misbehaving import CHUNKED, row_of, says
from tests.gateway.processes import Gateway, request
from tests.gateway.test_foreign_secrets import known, stored
from tests.gateway.test_hashers import digest, key_id
from tests.gateway.test_revocation import row
from tests.gateway.wire import Server, Wire, within

pytestmark = pytest.mark.slow

# The same head over and over: the third one of a process is not read again (passages.py).
STREAMS = 8
BEGUN = b"5\r\nbegun\r\n"


@pytest.fixture
def path(upstream: Server) -> str:
    made = f"/replaced-{uuid.uuid4().hex[:8]}"
    upstream.on(made, says(CHUNKED + BEGUN, lambda wire: wire.is_closed_within(30)))
    return made


@pytest.fixture
def fresh(database: Database, seeded: str) -> str:
    return database.key_for(f"s-{uuid.uuid4().hex[:8]}", "echo")


@pytest.fixture
def no_import_stays(database: Database) -> Iterator[None]:
    yield
    database.change("DELETE FROM apikeys_foreignsecret WHERE format = 'old_'")


def streams(gateway: Gateway, secret: str, path: str) -> list[tuple[str, Wire]]:
    """Request ids, and connections on which an answer has begun."""
    found = []
    for _ in range(STREAMS):
        wire = gateway.connect().send(
            request("GET", f"/proxy/echo{path}", "", f"api-key: {secret}")
        )
        found.append((wire.head().field("x-request-id"), wire))
        assert wire.exactly(len(BEGUN)) == BEGUN
    return found


def go_on(running: list[tuple[str, Wire]]) -> bool:
    return not any(wire.is_closed_within(0.02) for _, wire in running)


def all_cut(database: Database, running: list[tuple[str, Wire]]) -> None:
    began = time.monotonic()
    for _, wire in running:
        assert wire.is_closed_within(1)
    assert time.monotonic() - began < 1
    for identity, _ in running:
        logged = row_of(database, identity)
        assert (logged["status"], logged["code"]) == (200, "invalid_key")


def rotate(database: Database, secret: str, grace: timedelta) -> str:
    with database.rows():
        made = rotate_key(row(secret), maker=system("test"), grace=grace).secret
        wait()
    return made


def touch(database: Database, key: uuid.UUID) -> None:
    """A change that every process follows and that takes nothing away, and what comes of it."""
    change = "UPDATE apikeys_apikey SET metadata = metadata || '{\"a\": 1}' WHERE id = %s"
    database.change(change, key)
    time.sleep(0.3)


@pytest.mark.parametrize("secret_of_grace", [False, True])
def test_a_rotation_ends_what_came_with_a_secret_that_ends(
    gateway: Gateway, database: Database, fresh: str, path: str, secret_of_grace: bool
) -> None:
    """Also with one that was in its grace: no change of the key but its end."""
    old = streams(gateway, fresh, path)
    newer = rotate(database, fresh, timedelta(hours=1))
    assert gateway.get("/proxy/echo/x", fresh).status == 200
    current = streams(gateway, newer, path)
    assert go_on(old)

    if secret_of_grace:
        database.execute("DELETE FROM apikeys_retiredsecret WHERE key_id = %s", key_id(fresh))
        touch(database, key_id(fresh))
        all_cut(database, old)
        assert go_on(current)
    else:
        newest = rotate(database, fresh, timedelta(0))
        all_cut(database, current)
        assert go_on(old)  # it keeps its own end
        assert gateway.get("/proxy/echo/x", newest).status == 200


@pytest.mark.parametrize("hasher", ["argon2id", "hmac-sha256"])
def test_a_digest_that_is_stored_anew_is_the_same_secret(
    start: Start, database: Database, fresh: str, path: str, hasher: str
) -> None:
    gateway = start(API_KEY_HASHER=hasher).wait_until_ready()
    if hasher == "hmac-sha256":
        statement = "UPDATE apikeys_apikey SET digest = %s WHERE id = %s"
        database.change(statement, argon2id(fresh), key_id(fresh))

    running = streams(gateway, fresh, path)
    begins = "$argon2id$" if hasher == "argon2id" else "hmac-sha256$"
    assert within(3, lambda: digest(database, fresh).startswith(begins))
    touch(database, key_id(fresh))

    assert go_on(running)
    assert gateway.get("/proxy/echo/x", fresh).status == 200
    rotate(database, fresh, timedelta(0))
    all_cut(database, running)


def test_an_imported_secret_that_is_taken_away(
    gateway: Gateway, database: Database, path: str, seeded: str, no_import_stays: None
) -> None:
    secret = f"old_{uuid.uuid4().hex}"
    key = known(database, secret)
    running = streams(gateway, secret, path)
    assert within(3, lambda: stored(database, key).startswith("hmac-sha256$"))
    touch(database, key)
    assert go_on(running)

    database.change("DELETE FROM apikeys_foreignsecret WHERE key_id = %s", key)

    all_cut(database, running)
