"""QTA-09 with two processes: what one takes ahead of need is not told as spent by the other."""

import time
import uuid
from collections.abc import Iterator

import pytest

from tests.gateway.conftest import Database, Start
from tests.gateway.processes import Gateway

pytestmark = pytest.mark.slow
RUNS = 10
WEIGH = "UPDATE proxy_upstream SET request_weight = %s WHERE slug = %s"


@pytest.fixture
def weighed(seeded: str, database: Database) -> Iterator[None]:
    """A call of ``quick`` costs 4, one of ``small`` nothing."""
    database.change(WEIGH, 4, "quick")
    database.change(WEIGH, 0, "small")
    yield
    database.change(WEIGH, 1, "quick")
    database.change(WEIGH, 1, "small")


def remaining(gateway: Gateway, secret: str, path: str) -> int:
    answer = gateway.get(path, secret)
    assert answer.status == 200
    (left,) = [part for part in answer.field("ratelimit").split(";") if part.startswith("r=")]
    return int(left.removeprefix("r="))


@pytest.mark.usefixtures("weighed")
def test_what_one_process_spent_the_other_tells_at_once(start: Start, database: Database) -> None:
    one, other = start().wait_until_ready(), start().wait_until_ready()
    for run in range(RUNS):
        secret = database.key_for(f"r-{uuid.uuid4().hex[:8]}", "quick small", monthly=10)

        first = remaining(one, secret, "/proxy/quick/x")
        time.sleep(0.006 * run)  # the one fills up what it holds, and says so
        second = remaining(other, secret, "/proxy/small/x")
        third = remaining(one, secret, "/proxy/small/x")

        assert (first, second, third) == (6, 6, 6)
