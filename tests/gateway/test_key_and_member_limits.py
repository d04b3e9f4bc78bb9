"""QTA-02: limits of a key and its member, from tier and override: exactly the lower one holds."""

import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import NamedTuple

import pytest

from apikeys.models import ApiKey, LimitOverride
from tests import make
from tests.gateway.books import books
from tests.gateway.conftest import Database, Start
from tests.gateway.limited import limited, subject_of
from tests.gateway.processes import Gateway, request

pytestmark = pytest.mark.slow
PROCESSES, CLIENTS, EACH, RUNS = 4, 64, 6, 2
MONTHLY = "requests_per_month"
NAME = "requests per month"


class Given(NamedTuple):
    """Limits of the member's tier, their own, the key's tier's and the key's own."""

    tier: int
    own: int | None
    key_tier: int | None
    key_own: int | None
    member_limit: int
    key_limit: int


CASES = {
    "key lower by tier": Given(250, None, 150, None, 250, 150),
    "key lower by override": Given(250, None, 900, 150, 250, 150),
    "member lower by tier": Given(150, None, 250, None, 150, 250),
    "member lower by override": Given(900, 150, 100, 250, 150, 250),
    "both the same": Given(200, 200, 900, 200, 200, 200),
}


def make_key(database: Database, given: Given) -> str:
    secret = limited(database, requests_per_month=given.tier)
    with database.rows():
        key = ApiKey.objects.get(pk=uuid.UUID(secret.split("_")[1]))
        if given.own:
            LimitOverride.objects.create(member=key.owner, name=MONTHLY, value=given.own)
        if given.key_own:
            LimitOverride.objects.create(key=key, name=MONTHLY, value=given.key_own)
        key.tier = make.tier(f"k{uuid.uuid4().hex[:8]}", requests_per_month=given.key_tier)
        key.save()
    return secret


def sibling(database: Database, secret: str) -> str:
    """Another key of the same member, without limits of its own."""
    with database.rows():
        owner = ApiKey.objects.get(pk=uuid.UUID(secret.split("_")[1])).owner
        assert owner is not None
        return make.key(owner).secret


@pytest.fixture(scope="module")
def gateway(start_once: Start, seeded: str) -> Gateway:
    return start_once(PROCESSES).wait_until_ready()


def load(gateway: Gateway, secrets: list[str]) -> Counter[tuple[str, int]]:
    def ask(secret: str) -> list[tuple[str, int]]:
        wire, call = gateway.connect(), request("GET", "/proxy/echo/", secret)
        return [(secret, wire.send(call).answer().status) for _ in range(EACH)]

    with ThreadPoolExecutor(CLIENTS) as threads:
        found = threads.map(ask, [pair for some in repeat(secrets, CLIENTS) for pair in some])
        return Counter(pair for some in found for pair in some)


def counted(database: Database, secret: str) -> tuple[int, int]:
    """The member's and the key's counter."""
    key = books(database, f"key:{secret.split('_')[1]}")
    return books(database, subject_of(database, secret))[NAME], key[NAME]


@pytest.mark.parametrize("case", CASES)
def test_exactly_the_lower_limit_is_admitted(
    gateway: Gateway, database: Database, case: str
) -> None:
    given = CASES[case]
    lower = min(given.member_limit, given.key_limit)
    for _ in range(RUNS):
        secret = make_key(database, given)

        found = load(gateway, [secret])

        assert found == {(secret, 200): lower, (secret, 429): CLIENTS * EACH - lower}
        assert counted(database, secret) == (lower, lower)
        gateway.close_wires()


def test_two_keys_of_a_member_share_the_members_limit_at_once(
    gateway: Gateway, database: Database
) -> None:
    for _ in range(RUNS):
        secret = make_key(database, CASES["key lower by tier"])
        other = sibling(database, secret)

        found = load(gateway, [secret, other])
        found += load(gateway, [other])

        assert found[secret, 200] + found[other, 200] == 250
        assert 0 < found[secret, 200] <= 150
        assert counted(database, secret) == (250, found[secret, 200])
        gateway.close_wires()
