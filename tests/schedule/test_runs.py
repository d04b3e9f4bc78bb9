"""A run is opened by one beat, claimed by one worker at a time, and ended once."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from momentry.common import runs
from momentry.common.jobmodels import JobRun, Outcome, ScheduledJob
from momentry.common.runs import Message, Order

pytestmark = pytest.mark.django_db

PAST = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _job() -> None:
    ScheduledJob.objects.create(name="purge", task="x.purge", is_ours=True)


def order(minutes: int = 0) -> Order:
    return Order(
        "purge",
        "x.purge",
        datetime.fromisoformat("2026-11-23T02:00:00Z") + timedelta(minutes=minutes),
    )


BY_HAND = Order("purge", "x.purge")


def message(name: str = "a", retries: int = 0) -> Message:
    return Message(name, retries, f"worker-{name}")


def job() -> ScheduledJob:
    return ScheduledJob.objects.get()


def lapse() -> None:
    """As a minute without a sign of life would."""
    JobRun.objects.filter(leased_until__isnull=False).update(leased_until=timezone.now() - PAST)


def test_of_two_beats_one_opens_a_run():
    assert [runs.open_run(order()) for _ in range(2)] == [True, False]
    assert JobRun.objects.get().outcome == Outcome.WAITING


def test_of_two_workers_one_gets_it():
    runs.open_run(order())

    first, second = runs.claim(order(), message("a")), runs.claim(order(), message("b"))

    assert (first is None, second is None) == (False, True)
    assert JobRun.objects.get().worker == "worker-a"


def test_a_message_that_comes_again_begins_nothing():
    """Neither while the run goes on nor when it is over, by whatever it ended."""
    run = runs.claim(order(), message())
    assert run is not None
    assert runs.claim(order(), message()) is None

    runs.end(run, Outcome.FAILED, "ValueError")

    assert runs.claim(order(), message()) is None
    assert runs.claim(order(), message("another")) is None


def test_a_run_that_no_beat_could_open_is_claimed_all_the_same():
    """The database was away when it was due, and is back."""
    assert runs.claim(order(), message()) is not None
    assert runs.open_run(order()) is False


def test_a_message_that_is_tried_again_goes_on_with_its_run():
    first = runs.claim(order(), message())
    assert first is not None
    runs.put_off(first)

    assert runs.claim(order(), message("b")) is None
    assert runs.claim(order(), message(retries=1)) == (first.id, 2)


def test_a_run_whose_worker_was_killed_is_sent_again_once():
    runs.claim(order(), message())
    assert runs.take_stale() == []
    lapse()

    assert runs.take_stale() == [order()]
    assert runs.take_stale() == []
    again = runs.claim(order(), message("b"))
    assert again is not None
    runs.end(again, Outcome.DONE, "Purged 1 keys.")
    assert (JobRun.objects.get().outcome, job().done) == (Outcome.DONE, 1)


def test_a_lease_that_is_renewed_does_not_lapse():
    run = runs.claim(order(), message())
    assert run is not None
    lapse()

    runs.renew([run])

    assert runs.take_stale() == []


def test_who_lost_the_lease_ends_nothing():
    first = runs.claim(order(), message())
    lapse()
    second = runs.claim(order(), message("b"))
    assert first is not None
    assert second is not None

    runs.end(first, Outcome.FAILED, "late")

    assert JobRun.objects.get().outcome == Outcome.RUNNING
    runs.end(second, Outcome.DONE, "")
    assert (job().done, job().failed) == (1, 0)


def test_who_ends_every_worker_is_given_up():
    for number in range(runs.MOST_TRIES):
        assert runs.claim(order(), message(str(number))) is not None
        lapse()
        assert len(runs.take_stale()) == (number < runs.MOST_TRIES - 1)

    assert (JobRun.objects.get().outcome, job().lost) == (Outcome.LOST, 1)
    assert job().last_outcome == Outcome.LOST


def test_a_message_that_got_lost_is_sent_again_later_and_later():
    runs.open_run(order())
    assert runs.take_stale() == []
    sent = []
    for pause in (121, 121, 241, 239, 3601, 3601):
        ago = timezone.now() - timedelta(seconds=pause)
        JobRun.objects.update(sent_at=ago)
        sent.append(len(runs.take_stale()))

    assert sent == [1, 0, 1, 0, 1, 1]


def test_runs_that_nobody_began_are_overtaken_by_the_next():
    runs.open_run(order(0))
    runs.open_run(order(1))
    running = runs.claim(order(1), message())
    assert running is not None
    runs.open_run(order(2))

    found = dict(JobRun.objects.values_list("due_at__minute", "outcome"))
    assert found == {0: Outcome.MISSED, 1: Outcome.RUNNING, 2: Outcome.WAITING}
    assert runs.claim(order(0), message("late")) is None
    assert job().missed == 1


def test_what_is_owed_is_owed_until_it_is_done():
    runs.open_run(order(0))
    runs.open_run(order(1))
    failing = runs.claim(order(1), message())
    assert failing is not None
    runs.end(failing, Outcome.FAILED, "ValueError")
    assert job().owed_since == order(0).due_at

    runs.open_run(order(2))
    done = runs.claim(order(2), message("b"))
    assert done is not None
    runs.end(done, Outcome.DONE, "Purged 3 keys.")

    found = job()
    assert (found.owed_since, found.failed, found.done) == (None, 1, 1)
    assert (found.last_outcome, found.last_said) == (Outcome.DONE, "Purged 3 keys.")
    assert found.last_done_at is not None


def test_a_run_by_hand_is_kept_too_and_each_message_once():
    one, again = runs.claim(BY_HAND, message()), runs.claim(BY_HAND, message())
    other = runs.claim(BY_HAND, message("b"))

    assert one is not None
    assert again is None
    assert other is not None


def test_a_run_by_hand_whose_worker_was_killed_is_lost():
    """Nobody sends it again: whoever started it sees that."""
    runs.claim(BY_HAND, message())
    lapse()

    assert runs.take_stale() == []
    assert JobRun.objects.get().outcome == Outcome.LOST
