"""AUTH-09: behind an address that others attack a right key passes, seen before or not."""

import contextlib
import os
import random
import statistics
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from redis import Redis

from apikeys.models import ApiKey, Grant
from apikeys.services.issue import issue_key
from apikeys.services.makers import system
from apikeys.services.rotate import rotate_key
from apikeys.services.wanted import NewKey
from tests import make
from tests.gateway.conftest import Database, Start
from tests.gateway.processes import Gateway
from tests.gateway.test_lock_out import RULES, ask, code, codes, forget, unknown
from tests.gateway.wire import Answer, within
from tests.gateway.wiretap import Wiretap

pytestmark = pytest.mark.slow

WORKERS = 2
Issue = Callable[[], str]


@contextlib.contextmanager
def guessers(gateway: Gateway, guess: Callable[[], str], threads: int = 3) -> Iterator[list[str]]:
    """They go on without a pause; what they are told is in the list."""
    stop = threading.Event()
    told: list[str] = []

    def work() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError):
                told.append(code(ask(gateway, guess())))

    working = [threading.Thread(target=work) for _ in range(threads)]
    for thread in working:
        thread.start()
    try:
        yield told
    finally:
        stop.set()
        for thread in working:
            thread.join()


@pytest.fixture
def valkey() -> Iterator[Redis]:
    client = Redis.from_url(os.environ["REDIS_URL"])
    forget(client)
    yield client
    forget(client)
    client.close()


@pytest.fixture
def locked(start: Start, valkey: Redis, tap: Wiretap, seeded: str) -> Gateway:
    """Its processes know which ids exist, and the address is locked."""
    gateway = start(WORKERS, **RULES, DATABASE_URL=tap.url).wait_until_ready()
    asked = b"FROM apikeys_apikey WHERE id >"
    assert within(15, lambda: bytes(tap.sent).count(asked) >= WORKERS)
    time.sleep(0.3)  # the answers to that
    assert codes(gateway, 6)[-1] == "locked_out"
    return gateway


@pytest.fixture
def issue(database: Database, seeded: str) -> Issue:
    """A new key of a new member, by the way of the REST API."""

    def made() -> str:
        with database.rows():
            member = make.member(f"guessed-{uuid.uuid4().hex[:12]}")
            Grant.objects.create(member=member, upstream="echo")
            issued = issue_key(NewKey(name="fresh", owner_id=member.pk), maker=system("test"))
        return issued.secret

    return made


@pytest.fixture
def exist(issue: Issue) -> list[uuid.UUID]:
    return [id_of(issue()) for _ in range(40)]


def id_of(secret: str) -> uuid.UUID:
    return uuid.UUID(secret.split("_")[1])


@pytest.mark.parametrize("known", [False, True], ids=["random ids", "ids that exist"])
def test_a_right_key_that_is_new_passes_at_once(
    locked: Gateway, issue: Issue, exist: list[uuid.UUID], known: bool
) -> None:
    def guess() -> str:
        return unknown(random.choice(exist) if known else None)

    with guessers(locked, guess) as told:
        found = [code(ask(locked, issue())) for _ in range(12)]

    assert found == ["ok"] * 12
    assert set(told) == {"locked_out"}
    assert len(told) > 12


def test_a_key_that_was_just_rotated_passes_at_once(
    locked: Gateway, issue: Issue, database: Database
) -> None:
    secret = issue()
    assert ask(locked, secret).status == 200

    with guessers(locked, unknown):
        for _ in range(5):
            with database.rows():
                key = ApiKey.objects.get(pk=id_of(secret))
                secret = rotate_key(key, maker=system("test"), grace=timedelta(0)).secret
            assert code(ask(locked, secret)) == "ok"


def test_who_guesses_at_the_very_key_delays_it_by_a_second_for_each_process(
    locked: Gateway, issue: Issue
) -> None:
    secret = issue()

    with guessers(locked, lambda: unknown(id_of(secret))):
        began = time.monotonic()
        while code(ask(locked, secret)) != "ok":
            assert time.monotonic() - began < WORKERS + 1
        # Whichever process is asked, again and again.
        time.sleep(max(0.0, began + WORKERS + 0.5 - time.monotonic()))
        assert [code(ask(locked, secret)) for _ in range(10)] == ["ok"] * 10


def test_guesses_at_ids_that_do_not_exist_cost_no_look_up(locked: Gateway, tap: Wiretap) -> None:
    ids = [uuid.uuid4() for _ in range(60)]

    assert [code(ask(locked, unknown(key_id))) for key_id in ids] == ["locked_out"] * 60

    assert sum(map(tap.asked_about, ids)) == 0


def test_guesses_at_one_that_exists_cost_one_for_each_process(
    locked: Gateway, tap: Wiretap, issue: Issue
) -> None:
    key_id = id_of(issue())
    before = tap.asked_about(key_id)

    found = {code(ask(locked, unknown(key_id))) for _ in range(40)}

    assert found == {"locked_out"}
    assert 1 <= tap.asked_about(key_id) - before <= WORKERS


def test_nothing_tells_whether_an_id_exists(locked: Gateway, exist: list[uuid.UUID]) -> None:
    seconds: tuple[list[float], list[float]] = ([], [])
    shown = set()

    for key_id in exist:
        for times, tried in zip(seconds, (uuid.uuid4(), key_id), strict=True):
            began = time.monotonic()
            shown.add(told(ask(locked, unknown(tried))))
            times.append(time.monotonic() - began)

    assert len(shown) == 1
    assert min(map(min, seconds)) >= 0.01
    missing, existing = map(statistics.median, seconds)
    assert abs(missing - existing) < 0.003


def told(answer: Answer) -> tuple[object, ...]:
    """All but what differs from one answer to the next."""
    own = {"date", "x-request-id", "retry-after"}
    names = tuple(sorted((name, value) for name, value in answer.fields if name not in own))
    return answer.status, code(answer), names


def test_keys_made_by_commands_and_webhooks_pass_at_once_too(
    locked: Gateway, database: Database
) -> None:
    with guessers(locked, unknown):
        found = [
            code(ask(locked, database.key_for(f"by-hand-{uuid.uuid4().hex[:8]}", "echo")))
            for _ in range(5)
        ]

    assert found == ["ok"] * 5


def test_after_so_many_changes_that_all_is_forgotten_ids_are_read_anew(
    locked: Gateway, issue: Issue, database: Database, tap: Wiretap
) -> None:
    secret = issue()
    database.change("SELECT momentry_fence_note('all', '')")
    time.sleep(1)
    ids = [uuid.uuid4() for _ in range(20)]

    assert {code(ask(locked, unknown(key_id))) for key_id in ids} == {"locked_out"}
    assert sum(map(tap.asked_about, ids)) == 0
    assert code(ask(locked, secret)) == "ok"
