"""AUTH-08 where proofs may be slow: every invalid_key leaves together, however it is wrong."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from apikeys import phc
from apikeys.gate.slow import REFUSAL_SECONDS, SLOW_REFUSAL_SECONDS
from tests import make
from tests.apikeys.stored import argon2id
from tests.gateway.conftest import Database, Start, own_database
from tests.gateway.processes import Gateway, request
from tests.gateway.test_hashers import key_id, store
from tests.gateway.test_lock_out import code, unknown
from tests.gateway.wire import Answer, within
from tests.gateway.wiretap import Wiretap

pytestmark = pytest.mark.slow

BEHIND = {"TRUSTED_PROXIES": "127.0.0.1"}
FORMAT = "pace-"
FOREIGN = f"{FORMAT}0123456789abcdefghij"


class Stage(NamedTuple):
    """Of a database in which only this test stores digests."""

    database: Database
    start: Callable[..., Gateway]

    def key(self) -> str:
        return self.database.key_for(f"p-{uuid.uuid4().hex[:8]}", "")


@pytest.fixture(scope="module")
def house(migrated: Database) -> Iterator[Database]:
    with own_database(migrated, "pace") as made:
        yield made


@pytest.fixture
def stage(house: Database, start: Start) -> Iterator[Stage]:
    def begin(url: str = house.url, **given: str) -> Gateway:
        return start(**BEHIND, DATABASE_URL=url, **given).wait_until_ready()

    yield Stage(house, begin)
    house.change("DELETE FROM apikeys_foreignsecret")
    house.change("DELETE FROM apikeys_retiredsecret")
    house.change("UPDATE apikeys_apikey SET digest = NULL")


def ask(gateway: Gateway, secret: str) -> Answer:
    return gateway.get("/api/v1/anything", secret)


def seconds(gateway: Gateway, secret: str) -> float:
    began = time.monotonic()
    answer = ask(gateway, secret)
    assert (answer.status, code(answer)) == (401, "invalid_key")
    return time.monotonic() - began


def is_quick(gateway: Gateway) -> bool:
    return REFUSAL_SECONDS <= min(seconds(gateway, "x") for _ in range(3)) < SLOW_REFUSAL_SECONDS


def is_slow(gateway: Gateway) -> bool:
    return min(seconds(gateway, "x") for _ in range(3)) >= SLOW_REFUSAL_SECONDS


def shapes(known: str, remembered: str) -> dict[str, str]:
    return {
        "malformed": known[:-1] + ("0" if known[-1] != "0" else "1"),
        "no key at all": "x",
        "unknown": unknown(),
        "wrong, of a slow one": unknown(key_id(known)),
        "wrong, of a remembered one": unknown(key_id(remembered)),
        "a known beginning": FOREIGN + "x",
        "no known beginning": "no-such-beginning-of-a-secret",
    }


def test_one_slow_digest_makes_all_refusals_leave_later(stage: Stage) -> None:
    known, remembered = stage.key(), stage.key()
    gateway = stage.start()
    assert ask(gateway, remembered).status == 200
    assert within(3, lambda: is_quick(gateway))

    store(stage.database, known, argon2id(known))

    assert within(3, lambda: is_slow(gateway))
    for name, secret in shapes(known, remembered).items():
        assert seconds(gateway, secret) >= SLOW_REFUSAL_SECONDS, name
    assert ask(gateway, known).status == 200  # stored anew: the last slow digest is gone
    assert within(3, lambda: is_quick(gateway))


def test_an_imported_hash_counts_too(stage: Stage) -> None:
    known = stage.key()
    with stage.database.rows():
        make.key(make.member("importer")).key.foreign_secrets.create(
            format=FORMAT, lookup=f"text:{FOREIGN[:12]}", digest=phc.hashed(FOREIGN)
        )
    gateway = stage.start()

    for name, secret in shapes(known, known).items():
        assert seconds(gateway, secret) >= SLOW_REFUSAL_SECONDS, name


def test_a_retired_one_counts_until_its_end(stage: Stage) -> None:
    gateway = stage.start()
    stage.database.change(
        "INSERT INTO apikeys_retiredsecret (key_id, digest, ends_at, created_at)"
        " VALUES (%s, %s, now() + interval '3 s', now())",
        key_id(stage.key()), argon2id("old"),
    )  # fmt: skip

    assert within(2, lambda: is_slow(gateway))
    assert within(6, lambda: is_quick(gateway))


def test_a_row_written_past_the_fence_is_noticed_by_the_first_guess(stage: Stage) -> None:
    known, gateway = stage.key(), stage.start()
    assert within(3, lambda: is_quick(gateway))
    other = uuid.uuid4()

    stage.database.execute(
        "INSERT INTO apikeys_apikey SELECT (jsonb_populate_record(k,"
        " jsonb_build_object('id', %s::text, 'digest', %s::text))).*"
        " FROM apikeys_apikey k WHERE id = %s",
        str(other), argon2id("x"), key_id(known),
    )  # fmt: skip

    assert seconds(gateway, unknown(other)) >= SLOW_REFUSAL_SECONDS
    assert is_slow(gateway)


def test_while_nothing_changes_it_is_not_asked_for(stage: Stage) -> None:
    tap = Wiretap(stage.database.url)
    gateway = stage.start(tap.url)
    assert within(3, lambda: is_quick(gateway))
    time.sleep(0.5)  # the process may have followed the fence's first generation meanwhile

    before = len(tap.sent)
    time.sleep(1)

    assert len(tap.sent) > before  # the fence, the tables that are polled
    assert b"argon2id" not in tap.sent[before:]
    tap.stop()


def test_with_slow_proofs_chosen_no_refusal_is_quicker(stage: Stage) -> None:
    known = stage.key()
    gateway = stage.start(API_KEY_HASHER="argon2id")

    for name, secret in shapes(known, known).items():
        assert seconds(gateway, secret) >= SLOW_REFUSAL_SECONDS, name


@pytest.mark.parametrize("slow", [True, False])
def test_who_asks_about_a_key_learns_no_more(stage: Stage, slow: bool) -> None:
    known = stage.key()
    with stage.database.rows():
        caller = make.service_key("validator").secret
    if slow:
        store(stage.database, known, argon2id(known))
    gateway = stage.start()
    assert within(3, lambda: is_slow(gateway) is slow)

    def asked(secret: str) -> float:
        body = json.dumps({"key": secret}).encode()
        fields = "Content-Type: application/json"
        call = request("POST", "/api/v1/keys/verify", caller, fields, body=body)
        began = time.monotonic()
        assert json.loads(gateway.ask(call).body)["code"] == "invalid_key"
        return time.monotonic() - began

    for name, secret in shapes(known, known).items():
        quickest = min(asked(secret) for _ in range(3))
        assert (quickest >= SLOW_REFUSAL_SECONDS) is slow, name
