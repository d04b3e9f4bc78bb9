"""Other forms of digests at the gateway: beside the loop, in one thread, stored anew on use."""

import base64
import json
import os
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from apikeys import phc
from tests import make
from tests.apikeys.stored import DAMAGED, argon2id, older_pepper
from tests.gateway.conftest import Database, Start
from tests.gateway.processes import Gateway, request
from tests.gateway.test_lock_out import code, unknown
from tests.gateway.wire import Answer, within

pytestmark = pytest.mark.slow

ROUNDS = 9  # of a measurement, the least of which counts
QUEUE, LATE = 32, 3.0  # so many may wait for the thread, and for so many seconds
SLOWLY = {"API_KEY_HASHER": "argon2id", "TRUSTED_PROXIES": "127.0.0.1"}


@pytest.fixture(autouse=True)
def no_slow_digest_stays(database: Database) -> Iterator[None]:
    """Refusals of other tests' gateways would leave later."""
    yield
    database.execute("DELETE FROM apikeys_retiredsecret")
    database.change(r"UPDATE apikeys_apikey SET digest = NULL WHERE digest ~ '^\$argon2id\$'")


@pytest.fixture
def fresh(database: Database, seeded: str) -> str:
    """A key of a member of this test alone."""
    return database.key_for(f"h-{uuid.uuid4().hex[:8]}", "echo")


def key_id(secret: str) -> uuid.UUID:
    return uuid.UUID(secret.split("_")[1])


def digest(database: Database, secret: str) -> str:
    rows = database.fetch("SELECT digest FROM apikeys_apikey WHERE id = %s", key_id(secret))
    return str(rows[0][0])


def store(database: Database, secret: str, text: str) -> None:
    statement = "UPDATE apikeys_apikey SET digest = %s WHERE id = %s"
    database.change(statement, text, key_id(secret))


def ask(gateway: Gateway, secret: str, address: str = "203.0.113.30") -> Answer:
    return gateway.get("/proxy/echo/x", secret, f"X-Forwarded-For: {address}")


def guesses(gateway: Gateway, number: int) -> Counter[tuple[int, str]]:
    """Wrong keys, all at once, each from another address; "late": the thread did not come to it."""

    def guess(place: int) -> tuple[int, str]:
        began = time.monotonic()
        answer = ask(gateway, unknown(), f"198.18.{place // 250}.{place % 250}")
        is_late = time.monotonic() - began > LATE
        if answer.status == 503:
            assert code(answer) == "overloaded"
            assert int(answer.field("retry-after")) >= 1
        return answer.status, "late" if answer.status == 503 and is_late else code(answer)

    with ThreadPoolExecutor(number) as crowd:
        return Counter(crowd.map(guess, range(number)))


@pytest.mark.parametrize("hasher", ["argon2id", "hmac-sha256"])
def test_the_other_form_is_stored_anew_beside_the_request(
    start: Start, database: Database, fresh: str, hasher: str
) -> None:
    gateway = start(API_KEY_HASHER=hasher).wait_until_ready()
    if hasher == "hmac-sha256":
        store(database, fresh, argon2id(fresh))
    versions = "SELECT version FROM apikeys_apikey WHERE id = %s"
    version = database.fetch(versions, key_id(fresh))

    assert [ask(gateway, fresh).status for _ in range(3)] == [200] * 3

    begins = "$argon2id$v=19$m=19456,t=2,p=1$" if hasher == "argon2id" else "hmac-sha256$1$"
    assert within(3, lambda: digest(database, fresh).startswith(begins))
    assert ask(gateway, fresh).status == 200
    assert database.fetch(versions, key_id(fresh)) == version


def test_an_old_pepper_s_digest_is_stored_under_the_new_one(
    start: Start, database: Database, fresh: str
) -> None:
    newest = "2:" + base64.urlsafe_b64encode(os.urandom(32)).decode()
    gateway = start(API_KEY_PEPPERS=f"{newest},{os.environ['API_KEY_PEPPERS']}")
    gateway.wait_until_ready()

    assert ask(gateway, fresh).status == 200

    assert within(3, lambda: digest(database, fresh).startswith("hmac-sha256$2$"))
    assert ask(gateway, fresh).status == 200


@pytest.mark.parametrize("hasher", ["argon2id", "hmac-sha256"])
def test_a_wrong_guess_before_keeps_no_digest_as_it_was(
    start: Start, database: Database, fresh: str, hasher: str
) -> None:
    """It brought the key into memory."""
    newest = "2:" + base64.urlsafe_b64encode(os.urandom(32)).decode()
    peppers = f"{newest},{os.environ['API_KEY_PEPPERS']}"
    gateway = start(
        API_KEY_HASHER=hasher, API_KEY_PEPPERS=peppers, TRUSTED_PROXIES="127.0.0.1"
    ).wait_until_ready()
    assert code(ask(gateway, unknown(key_id(fresh)))) == "invalid_key"

    assert [ask(gateway, fresh).status for _ in range(3)] == [200] * 3

    begins = "$argon2id$" if hasher == "argon2id" else "hmac-sha256$2$"
    assert within(3, lambda: digest(database, fresh).startswith(begins))


def test_a_lost_pepper_is_an_alarm_and_no_500(start: Start, database: Database, fresh: str) -> None:
    _, text = older_pepper(fresh)
    store(database, fresh, text)
    gateway = start().wait_until_ready()

    assert [code(ask(gateway, fresh)) for _ in range(3)] == ["invalid_key"] * 3

    alarms = [line for line in gateway.lines if "stored digest is damaged" in line]
    assert len(alarms) == 1
    assert str(key_id(fresh)) in alarms[0]
    assert text not in "".join(gateway.lines)
    assert digest(database, fresh) == text


@pytest.mark.parametrize("table", ["key", "retired"])
def test_damaged_digests_are_invalid_keys(
    start: Start, database: Database, fresh: str, table: str
) -> None:
    gateway = start().wait_until_ready()
    for number, text in enumerate(DAMAGED):
        if table == "key":
            store(database, fresh, text)
            assert code(ask(gateway, fresh)) == "invalid_key", text
        else:
            database.change(
                "INSERT INTO apikeys_retiredsecret (key_id, digest, ends_at, created_at)"
                " VALUES (%s, %s, now() + interval '1 hour', now())",
                key_id(fresh), text,
            )  # fmt: skip
            assert ask(gateway, fresh).status == 200, (number, text)

    alarms = [line for line in gateway.lines if "stored digest is damaged" in line]
    assert len(alarms) == 1
    assert gateway.errors() == []


def test_argon2id_slows_nobody_else(start: Start, fresh: str) -> None:
    """Wrong keys fill the thread; the loop answers, and a full queue is 503 with Retry-After."""
    gateway = start(**SLOWLY).wait_until_ready()
    with ThreadPoolExecutor(1) as beside:
        flood = beside.submit(guesses, gateway, 60)
        slowest = 0.0
        while not flood.done():
            began = time.monotonic()
            assert gateway.get("/healthz").status == 200
            slowest = max(slowest, time.monotonic() - began)
        found = flood.result()

    assert set(found) - {(503, "late")} == {(401, "invalid_key"), (503, "overloaded")}
    assert found[401, "invalid_key"] + found[503, "late"] >= QUEUE
    assert slowest < 0.5
    assert within(5, lambda: ask(gateway, fresh).status == 200)


def test_a_proven_key_passes_while_the_queue_is_full(start: Start, fresh: str) -> None:
    gateway = start(**SLOWLY).wait_until_ready()
    assert within(3, lambda: ask(gateway, fresh).status == 200)
    time.sleep(0.3)  # the digest is stored anew: from here on it is Argon2id's
    assert ask(gateway, fresh).status == 200
    with ThreadPoolExecutor(1) as beside:
        flood = beside.submit(guesses, gateway, 60)
        found = set()
        while not flood.done():
            found.add(ask(gateway, fresh).status)

    assert found == {200}


def test_one_key_from_everywhere_at_once_is_proven_once(
    start: Start, database: Database, fresh: str
) -> None:
    gateway = start(**SLOWLY).wait_until_ready()
    store(database, fresh, phc.hashed(fresh))

    with ThreadPoolExecutor(60) as crowd:
        found = Counter(
            answer.status for answer in crowd.map(lambda _: ask(gateway, fresh), range(60))
        )

    assert found == {200: 60}


def test_unknown_and_wrong_take_the_same_time(start: Start, database: Database, fresh: str) -> None:
    """Each at least as long as the slow proof that a known one costs. By the CPU's time of the
    process that answers, and by turns: whatever else runs here slows one like the other."""
    gateway = start(**SLOWLY).wait_until_ready()
    store(database, fresh, phc.hashed(fresh))
    stored = phc.parse(digest(database, fresh))
    (child,) = gateway.children()
    asks = [partial(ask, gateway, secret) for secret in (unknown(), unknown(key_id(fresh)))]

    rounds = [
        [spent(os.getpid(), lambda: stored.matches("x")), *(spent(child, work) for work in asks)]
        for _ in range(ROUNDS)
    ]

    proof, *others = (min(costs) for costs in zip(*rounds, strict=True))
    assert min(others) >= 0.9 * proof


def spent(pid: int, work: Callable[[], object]) -> float:
    """Seconds of the CPU, over all threads of the process, by Linux' clock of it."""
    clock = ~pid << 3 | 2  # clock_getcpuclockid(3)
    began = time.clock_gettime(clock)
    work()
    return time.clock_gettime(clock) - began


def test_who_asks_about_a_key_is_told_of_a_full_queue(start: Start, database: Database) -> None:
    with database.rows():
        caller = make.service_key("validator").secret
    gateway = start(**SLOWLY).wait_until_ready()
    assert within(3, lambda: gateway.get("/metrics", caller).status in {200, 403})

    body = json.dumps({"key": unknown()}).encode()
    found = set()
    with ThreadPoolExecutor(1) as beside:
        flood = beside.submit(guesses, gateway, 80)
        while not flood.done():
            answer = gateway.ask(
                request("POST", "/api/v1/keys/verify", caller, "Content-Type: application/json",
                        body=body)
            )  # fmt: skip
            found.add((answer.status, json.loads(answer.body)["code"]))

    assert found <= {(200, "invalid_key"), (503, "overloaded")}
