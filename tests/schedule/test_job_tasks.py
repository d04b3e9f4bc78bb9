"""What tasks of the schedule share: a message's run is claimed, ended and told; others just run."""

from datetime import datetime, timedelta

import pytest
from celery import Celery, shared_task
from celery.exceptions import Retry
from django.db import OperationalError
from django.utils import timezone

from momentry.celery import app
from momentry.common import jobs, runs
from momentry.common.jobmodels import JobRun, Outcome, ScheduledJob
from momentry.common.jobs import DUE, NAME, Daily, Job

pytestmark = pytest.mark.django_db

HEADERS = {NAME: "counting", DUE: "2026-11-23T02:00:00+00:00"}


class Work:
    """What the task below does next; how often it did something."""

    def __init__(self) -> None:
        self.turns = 0
        self.error: Exception | None = None

    def __call__(self) -> str:
        self.turns += 1
        if self.error is not None:
            raise self.error
        return f"Counted to {self.turns}."


work = Work()


@shared_task(base=Job, name="tests.counting")
def counting() -> str:
    return work()


@shared_task(base=Daily, name="tests.counting_daily")
def counting_daily() -> str:
    return work()


@pytest.fixture(autouse=True)
def _fresh(monkeypatch) -> None:
    work.__init__()  # type: ignore[misc]
    app.set_current()
    monkeypatch.setattr(runs, "RENEW_SECONDS", 3600.0)


def send(task=counting, headers=HEADERS, **options):
    return task.apply(headers=headers, **options)


def test_a_run_is_kept_with_what_it_said():
    send(task_id="m1")

    run = JobRun.objects.get()
    assert (run.job, run.task, run.outcome) == ("counting", "tests.counting", Outcome.DONE)
    assert run.due_at == datetime.fromisoformat(HEADERS[DUE])
    assert (run.said, run.message, run.tries) == ("Counted to 1.", "m1", 1)
    assert run.seconds is not None
    assert ScheduledJob.objects.get().last_said == "Counted to 1."


def test_a_message_that_comes_twice_does_nothing_twice():
    send(task_id="m1")
    send(task_id="m1")
    send(task_id="another beat's")

    assert work.turns == 1
    assert JobRun.objects.get().tries == 1


def test_a_failure_is_told_by_its_kind_alone():
    """Its text may name somebody."""
    work.error = ValueError("alice@example.org")

    assert send().status == "FAILURE"

    run = JobRun.objects.get()
    assert (run.outcome, run.said) == (Outcome.FAILED, "ValueError")


def test_a_database_that_is_away_is_waited_for_in_the_same_run():
    work.error = OperationalError("away")
    with pytest.raises(Exception, match="away"):
        send(counting_daily, task_id="m1", throw=True, retries=Daily.max_retries)
    assert JobRun.objects.get().outcome == Outcome.FAILED  # it was waited for long enough


def test_what_is_sent_without_the_schedule_just_runs():
    send(headers=None)
    counting()

    assert work.turns == 2
    assert not JobRun.objects.exists()


def test_staffs_run_now_is_kept_too():
    send(headers={NAME: "counting"}, task_id="m1")
    send(headers={NAME: "counting"}, task_id="m1")

    assert work.turns == 1
    assert JobRun.objects.get().due_at is None


def test_what_is_done_counts_as_done_though_its_end_cannot_be_noted(monkeypatch):
    def end(*_: object) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(jobs.runs, "end", end)

    assert send().status == "SUCCESS"
    assert JobRun.objects.get().outcome == Outcome.RUNNING  # sent again once its lease is over


def test_the_frame_leaves_other_tasks_alone():
    with Celery("other", set_as_current=False) as other:

        @other.task  # type: ignore[untyped-decorator]
        def plain() -> int:
            return 7

        assert plain.apply(headers=HEADERS).get() == 7
    assert not JobRun.objects.exists()


def test_a_run_that_is_tried_again_is_nobody_elses_meanwhile():
    """Its message comes again after a pause that is longer than a lease."""
    work.error = Retry()

    send()

    run = JobRun.objects.get()
    assert run.outcome == Outcome.RUNNING
    assert run.leased_until > timezone.now() + timedelta(seconds=600)


def test_a_database_that_is_away_as_the_message_comes_is_waited_for(monkeypatch):
    real, failures = runs.claim, iter(range(2))

    def claim(*args):
        if next(failures, None) is not None:
            raise OperationalError("away")
        return real(*args)

    monkeypatch.setattr(jobs.runs, "claim", claim)

    send(task_id="m1")

    assert work.turns == 1
    assert JobRun.objects.get().outcome == Outcome.DONE
