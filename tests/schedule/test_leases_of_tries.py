"""A lease is a try's: who lost it to another neither keeps that one's lease nor puts it off."""

import threading
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from momentry.common import jobs, runs
from momentry.common.jobmodels import JobRun, Outcome, ScheduledJob
from momentry.common.jobs import Keeper
from momentry.common.runs import Message, Order, Run

ORDER = Order("purge", "x.purge", datetime.fromisoformat("2026-11-23T02:00:00Z"))


def lapse() -> None:
    JobRun.objects.update(leased_until=timezone.now() - timedelta(seconds=1))


@pytest.fixture
def tries(db) -> tuple[Run, Run]:
    """The first lost its lease to the second, whose worker was killed."""
    ScheduledJob.objects.create(name="purge", task="x.purge")
    found = []
    for name in "ab":
        run = runs.claim(ORDER, Message(name, 0, name))
        assert run is not None
        found.append(run)
        lapse()
        if name == "a":
            assert runs.take_stale() == [ORDER]
    return found[0], found[1]


def test_who_lost_the_lease_keeps_it_for_nobody(tries):
    runs.renew([tries[0]])

    assert runs.take_stale() == [ORDER]


def test_who_has_the_lease_keeps_it_beside_others(tries):
    runs.renew([*tries, Run(tries[0].id + 1, 2)])

    assert runs.take_stale() == []


def test_who_lost_the_lease_puts_nothing_off(tries):
    runs.put_off(tries[0])

    assert runs.take_stale() == [ORDER]


@pytest.mark.parametrize("keep", [runs.put_off, lambda run: runs.renew([run])])
def test_what_was_sent_again_is_nobodys_until_it_is_claimed(tries, keep):
    runs.take_stale()

    keep(tries[1])

    assert runs.claim(ORDER, Message("c", 0, "c")) == (tries[0].id, 3)


def test_what_is_over_is_not_put_off(tries):
    runs.end(tries[1], Outcome.DONE, "")

    runs.put_off(tries[1])

    assert JobRun.objects.get().leased_until is None


def test_two_tries_of_one_run_are_kept_apart(monkeypatch):
    """In one process, whose first try hung for longer than its lease."""
    renewed, enough = [], threading.Event()

    def renew(kept):
        renewed.append(sorted(kept))
        enough.set()

    monkeypatch.setattr(jobs.runs, "RENEW_SECONDS", 0.01)
    monkeypatch.setattr(jobs.runs, "renew", renew)
    keeper, first = Keeper(), Run(1, 1)
    with keeper.keeping(Run(1, 2)):
        with keeper.keeping(first):
            assert enough.wait(20)
        renewed.clear()
        enough.clear()
        assert enough.wait(20)
        assert keeper.runs == {(1, 2)}

    assert keeper.runs == set()
    assert renewed[-1] == [(1, 2)]
