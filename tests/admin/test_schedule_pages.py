"""Scheduled work in the admin: how it goes, what staff may change of it, and what they may not."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from pytest_django.fixtures import DjangoAssertNumQueries

from events.models import Event
from momentry.common.jobmodels import JobRun, Outcome, ScheduledJob
from momentry.joblook import Look
from momentry.plan import describe, write_plan
from tests.admin.conftest import clerk
from tests.admin.pages import change, changelist

pytestmark = pytest.mark.django_db
HOLDS = "apikeys.tasks.purge_holds"


@pytest.fixture(autouse=True)
def _plan() -> None:
    write_plan(settings.CELERY_BEAT_SCHEDULE)
    describe(timezone.now())


def ran(job: str, outcome: Outcome, minutes: int, said: str = "") -> None:
    when = timezone.now() - timedelta(minutes=minutes)
    JobRun.objects.create(
        job=job, task="x", due_at=when, outcome=outcome, started_at=when, ended_at=when,
        seconds=0.25, said=said,
    )  # fmt: skip
    ScheduledJob.objects.filter(name=job).update(
        last_outcome=outcome, last_began_at=when, last_seconds=0.25, last_said=said
    )


def text(client: Client) -> str:
    return client.get(changelist(PeriodicTask)).content.decode()


def state(client: Client, name: str) -> str:
    rows = client.get(changelist(PeriodicTask)).context["cl"].result_list
    look: Look = next(row.look for row in rows if row.name == name)
    return look.state(timezone.now())


def test_the_list_says_how_it_goes(root: Client):
    ran("purge-keys", Outcome.DONE, 3, "Purged 12 keys.")

    shown = text(root)

    assert "3 min ago, 250 ms" in shown
    assert "Purged 12 keys." in shown
    assert "Keys that ended KEY_PURGE_DAYS ago become tombstones." in shown
    assert "At 03:00 AM" in shown or "At 03:00" in shown


@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.FAILED, Outcome.MISSED, Outcome.LOST])
def test_the_latest_run_says_the_state(outcome, root: Client):
    ran("purge-keys", Outcome.DONE, 9)
    ran("purge-keys", outcome, 3)

    assert state(root, "purge-keys") == outcome


def test_what_was_due_and_did_not_come_is_late(root: Client):
    ran("purge-keys", Outcome.DONE, 90)
    ScheduledJob.objects.update(next_due_at=timezone.now() - timedelta(minutes=6))

    assert state(root, "purge-keys") == "late"
    assert state(root, "inbox") == "late"


def test_the_list_reads_as_much_for_many_runs_as_for_none(
    root: Client, django_assert_max_num_queries: DjangoAssertNumQueries
):
    for minutes in range(30):
        ran("purge-keys", Outcome.DONE, minutes)

    with django_assert_max_num_queries(9):
        shown = root.get(changelist(PeriodicTask))

    assert (
        len(next(r.look for r in shown.context["cl"].result_list if r.name == "purge-keys").runs)
        == 24
    )


def test_a_run_opens_and_runs_are_filtered_by_their_work(root: Client):
    ran("purge-keys", Outcome.DONE, 3, "Purged 12 keys.")
    ran("inbox", Outcome.FAILED, 4, "ValueError")

    listed = root.get(changelist(JobRun), {"job": "inbox"}).content.decode()
    opened = root.get(change(JobRun, JobRun.objects.get(job="inbox").pk)).content.decode()

    assert "ValueError" in listed
    assert "Purged 12 keys." not in listed
    assert "ValueError" in opened


def test_a_run_by_hand_says_so(root: Client):
    JobRun.objects.create(job="inbox", task="x", outcome=Outcome.DONE)

    assert "by hand" in root.get(changelist(JobRun)).content.decode()
    assert "by hand" in text(root)


def test_one_of_ours_is_neither_deleted_nor_renamed(root: Client):
    """It would come again at the next start."""
    row = PeriodicTask.objects.get(name="inbox")
    row.pk, row.name = None, "theirs"
    row.save()
    ours, theirs = (PeriodicTask.objects.get(name=name) for name in ("inbox", "theirs"))

    assert root.post(f"/admin/django_celery_beat/periodictask/{ours.pk}/delete/").status_code == 403
    assert (
        root.get(f"/admin/django_celery_beat/periodictask/{theirs.pk}/delete/").status_code == 200
    )
    page = root.get(change(PeriodicTask, ours.pk))
    assert page.context["adminform"].form.fields.keys().isdisjoint({"name"})


def test_staff_change_when_it_runs(root: Client):
    row = PeriodicTask.objects.get(name="inbox")
    times = CrontabSchedule.objects.create(minute="1", hour="1")
    given = {"task": row.task, "enabled": "on", "crontab": times.pk, "args": "[]", "kwargs": "{}",
             "headers": "{}"}  # fmt: skip

    answer = root.post(change(PeriodicTask, row.pk), given)

    assert answer.status_code == 302, answer.context["adminform"].errors
    row.refresh_from_db()
    assert row.crontab == times
    write_plan(settings.CELERY_BEAT_SCHEDULE)
    row.refresh_from_db()
    assert row.crontab == times


def test_whoever_may_only_look_changes_no_time():
    row = PeriodicTask.objects.get(name="inbox")
    client = clerk("view_periodictask")

    assert client.get(change(PeriodicTask, row.pk)).status_code == 200
    assert client.post(change(PeriodicTask, row.pk), {"enabled": ""}).status_code == 403
    assert PeriodicTask.objects.get(name="inbox").enabled


@pytest.mark.parametrize(
    ("model", "given"),
    [
        (CrontabSchedule, {"minute": "7"}), (IntervalSchedule, {"every": 9, "period": "days"}),
        (ClockedSchedule, {"clocked_time": timezone.now()}),
        (SolarSchedule, {"event": "sunset", "latitude": 1, "longitude": 2}),
    ],
)  # fmt: skip
def test_a_time_that_is_used_is_not_deleted_with_its_tasks(model, given, root: Client):
    times = model.objects.create(**given)
    kind = model._meta.model_name.removesuffix("schedule")
    one_off = model is ClockedSchedule
    own = PeriodicTask(name="nightly own", task=HOLDS, one_off=one_off, **{kind: times})
    own.save()
    url = reverse(f"admin:django_celery_beat_{model._meta.model_name}_delete", args=[times.pk])

    answer = root.post(url, {"post": "yes"})

    assert (answer.status_code, "nightly own" in answer.content.decode()) == (200, True)
    assert PeriodicTask.objects.filter(pk=own.pk).exists()
    assert not Event.objects.filter(kind="schedule:deleted").exists()
    own.delete()
    assert root.post(url, {"post": "yes"}).status_code == 302
    assert Event.objects.filter(kind="schedule:deleted").count() == 1
    assert not model.objects.filter(pk=times.pk).exists()


def test_a_task_that_nobody_knows_is_not_run_and_not_said_to_be(root: Client, monkeypatch):
    sent = []
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda *_, **__: sent.append(1))
    every = IntervalSchedule.objects.create(every=9, period="days")
    rows = [
        PeriodicTask.objects.create(name=name, task=task, interval=every)
        for name, task in (("known", HOLDS), ("unknown", "no.such.task"))
    ]
    data = {"action": "run_tasks", "_selected_action": [str(row.pk) for row in rows]}

    answer = root.post(changelist(PeriodicTask), data, follow=True)

    assert "not found" in answer.content.decode()
    assert sent == []
    assert not Event.objects.filter(kind="schedule:run").exists()
    root.post(changelist(PeriodicTask), data | {"_selected_action": [str(rows[0].pk)]})
    assert (len(sent), Event.objects.filter(kind="schedule:run").count()) == (1, 1)
