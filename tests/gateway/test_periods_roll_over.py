"""QTA-06: days and months end by the database's clock, which really runs over the boundary here."""

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import pytest
from pytest_django.plugin import DjangoDbBlocker

from apikeys.models import Tier
from tests.gateway.books import books
from tests.gateway.clocks import MovedDatabase, moved_database
from tests.gateway.conftest import Start
from tests.gateway.limited import subject_of
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Answer, Server

pytestmark = pytest.mark.slow
PROCESSES, CLIENTS = 4, 16
DAILY, MONTHLY = 40, 60
BEFORE, AFTER = 3, 1.5  # seconds around the boundary
AHEAD = 0.3  # as far as a process's idea of the database's time may be ahead of it, at the most
BERLIN = "Europe/Berlin"
HOUR, DAY = 3600, 86_400
MOMENTS = """
SELECT period, period_start, used FROM apikeys_counter WHERE subject = %s ORDER BY 1, 2"""


class Case(NamedTuple):
    """``end``: in UTC, where a day ends that is ``day`` seconds long, in a month of ``month`` that
    began at ``first``; then a day and ``next_month`` seconds follow, 0: the month goes on."""

    zone: str
    first: str
    end: str
    day: int
    month: int
    next_month: int = 0


CASES = {
    "29 January": Case("UTC", "2027-01-01T00:00", "2027-01-30T00:00", DAY, 31 * DAY),
    "31 January": Case("UTC", "2027-01-01T00:00", "2027-02-01T00:00", DAY, 31 * DAY, 28 * DAY),
    "a day of 23 hours": Case(
        BERLIN, "2027-02-28T23:00", "2027-03-28T22:00", 23 * HOUR, 31 * DAY - HOUR
    ),
    "a day of 25 hours": Case(
        BERLIN, "2027-09-30T22:00", "2027-10-31T23:00", 25 * HOUR, 31 * DAY + HOUR, 30 * DAY
    ),
    "28 February": Case("UTC", "2028-02-01T00:00", "2028-02-29T00:00", DAY, 29 * DAY),
    "29 February": Case("UTC", "2028-02-01T00:00", "2028-03-01T00:00", DAY, 29 * DAY, 31 * DAY),
}


class Seen(NamedTuple):
    asked: datetime  # by the database's clock
    answered: datetime
    answer: Answer

    def items(self, name: str) -> dict[str, dict[str, int]]:
        """The parameters of each limit in ``ratelimit`` or ``ratelimit-policy``."""
        found = {}
        for item in self.answer.field(name).split(", "):
            limit, *pairs = item.split(";")
            values = [pair.split("=") for pair in pairs]
            found[limit.strip('"')] = {key: int(value) for key, value in values}
        return found


@pytest.fixture(scope="module")
def later(
    django_db_blocker: DjangoDbBlocker, directory: Path, upstream: Server
) -> Iterator[MovedDatabase]:
    with moved_database(django_db_blocker, directory / "later", upstream.port) as made:
        yield made


def ask(gateway: Gateway, later: MovedDatabase, secret: str, until: datetime) -> list[Seen]:
    wire, call, found = gateway.connect(), request("GET", "/proxy/echo/", secret), []
    while (asked := later.clock.now()) < until:
        answer = wire.send(call).answer()
        found.append(Seen(asked, later.clock.now(), answer))
        time.sleep(0.02)
    return found


def load(gateway: Gateway, later: MovedDatabase, secret: str, until: datetime) -> list[Seen]:
    given = repeat(gateway), repeat(later), repeat(secret), repeat(until, CLIENTS)
    with ThreadPoolExecutor(CLIENTS) as threads:
        return [seen for some in threads.map(ask, *given) for seen in some]


@pytest.mark.parametrize("name", CASES)
def test_a_period_ends_when_the_databases_clock_says_so(
    start: Start, later: MovedDatabase, name: str
) -> None:
    case = CASES[name]
    end = datetime.fromisoformat(case.end).replace(tzinfo=UTC)
    gateway = start(PROCESSES, DATABASE_URL=later.url, QUOTA_TIMEZONE=case.zone).wait_until_ready()
    secret = member(later)
    later.move(end - timedelta(seconds=BEFORE), PROCESSES)

    found = load(gateway, later, secret, end + timedelta(seconds=AFTER))

    admitted = [seen for seen in found if seen.answer.status == 200]
    admitted.sort(key=lambda seen: seen.asked)
    assert {seen.answer.status for seen in found} == {200, 429}
    old = [seen for seen in admitted if seen.answered < end - timedelta(seconds=AHEAD)]
    new = [seen for seen in admitted if seen.asked >= end]
    rest = DAILY if case.next_month else MONTHLY - DAILY
    assert (len(old), len(admitted)) == (DAILY, DAILY + rest)
    assert min(seen.answered for seen in admitted[DAILY:]) < end + timedelta(seconds=1)
    are_told(old, end, case.day, case.month, end if case.next_month else None)
    are_told(new, end + timedelta(seconds=DAY), DAY, case.next_month)
    assert counted(later, secret) == expected(case, end, rest)


def member(later: MovedDatabase) -> str:
    name = f"m{uuid.uuid4().hex[:8]}"
    secret = later.key_for(name, "echo", monthly=MONTHLY)
    with later.rows():
        Tier.objects.filter(slug=f"tier-{name}").update(requests_per_day=DAILY)
    return secret


def are_told(
    some: list[Seen], ends: datetime, day: int, month: int, month_ends: datetime | None = None
) -> None:
    """The lengths of the periods, where they are given, and when they end."""
    for seen in some:
        policy, left = seen.items("ratelimit-policy"), seen.items("ratelimit")
        assert policy["daily"] == {"q": DAILY, "w": day}
        assert is_when(seen, left["daily"]["t"], ends)
        if month:
            assert policy["monthly"] == {"q": MONTHLY, "w": month}
        if month_ends:
            assert is_when(seen, left["monthly"]["t"], month_ends)


def is_when(seen: Seen, seconds: int, moment: datetime) -> bool:
    """Told in whole seconds, rounded up, at some time between the question and the answer."""
    least = (moment - seen.answered).total_seconds() - AHEAD
    return least <= seconds <= (moment - seen.asked).total_seconds() + 1


def counted(later: MovedDatabase, secret: str) -> list[tuple[object, ...]]:
    subject = subject_of(later, secret)
    books(later, subject)  # what is on lease is called back
    return later.fetch(MOMENTS, subject)


def expected(case: Case, end: datetime, rest: int) -> list[tuple[object, ...]]:
    days = [("day", end - timedelta(seconds=case.day), DAILY), ("day", end, rest)]
    first = datetime.fromisoformat(case.first).replace(tzinfo=UTC)
    if case.next_month:
        return [*days, ("month", first, DAILY), ("month", end, rest)]
    return [*days, ("month", first, MONTHLY)]
