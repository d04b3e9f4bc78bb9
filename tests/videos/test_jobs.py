"""A job's state follows from its steps, also where several change them at once."""

import json
import threading

import pytest
from django.db import connection, transaction

from events.models import Event
from momentry.common.errors import MomentryError
from tests import make
from tests.videos import jobs as given
from videos.models import ProcessingJob, ProcessingStep, StepState
from videos.services import jobs

ACTOR = "test"


@pytest.mark.django_db
def test_a_job_has_all_processors_unless_some_are_named():
    alice = make.member()

    whole, part = given.job(alice), given.job(alice, ["ocr", "asr", "ocr"], priority=7)

    assert given.steps_of(whole) == dict.fromkeys(given.ALL, "queued")
    assert given.steps_of(part) == {"asr": "queued", "ocr": "queued"}
    assert (part.state, part.owner, part.priority) == ("queued", alice, 7)
    assert {step.job_priority for step in part.steps.all()} == {7}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("processors", "priority", "pointer"),
    [
        (["asr", "ASR"], 0, "#/processors/1"),
        ([""], 0, "#/processors/0"),
        ([], 0, "#/processors"),
        ("asr", 0, "#/processors"),
        (None, 101, "#/priority"),
        (None, -101, "#/priority"),
    ],
)
def test_unknown_processors_and_priorities_make_no_job(processors, priority, pointer):
    with pytest.raises(MomentryError) as refused:
        given.job(None, processors, priority)

    assert refused.value.code.code == "invalid_input"
    assert refused.value.extra["errors"][0]["pointer"] == pointer
    assert not ProcessingJob.objects.exists()


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        ("queued queued", "queued"),
        ("done dead queued", "queued"),
        ("done queued running", "running"),
        ("done done", "done"),
        ("done dead", "partial"),
        ("done cancelled", "partial"),
        ("dead cancelled", "failed"),
        ("cancelled cancelled", "cancelled"),
    ],
)
def test_the_state_of_a_job_follows_from_its_steps(steps, state):
    assert jobs.state_of(steps.split()) == state


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("ended", "kind", "state"),
    [
        ({"asr": "done", "ocr": "done"}, "job:done", "done"),
        ({"asr": "done", "ocr": "dead"}, "job:failed", "partial"),
        ({"asr": "cancelled", "ocr": "dead"}, "job:failed", "failed"),
        ({"asr": "done", "ocr": "cancelled"}, "job:cancelled", "partial"),
    ],
)
def test_a_job_that_ends_is_told_once(ended, kind, state):
    made = given.job(None, list(ended))
    given.put(made, **ended)

    jobs.follow(jobs.hold(made.pk), ACTOR)
    jobs.follow(jobs.hold(made.pk), ACTOR)

    made.refresh_from_db()
    assert made.state == state
    assert made.finished_at is not None
    event = Event.objects.get(subject=f"job:{made.pk.hex}")
    assert event.kind == kind
    assert json.loads(event.details) == {"video": made.video_id.hex, "state": state, "steps": ended}


@pytest.mark.django_db
def test_cancelling_ends_what_is_open_and_nothing_else():
    made = given.job()
    given.put(made, asr="done", cut="running", face="dead")

    count = jobs.cancel_open(made, ACTOR)

    made.refresh_from_db()
    assert count == 4
    assert given.steps_of(made) == {
        "asr": "done", "cut": "cancelled", "face": "dead",
        "ocr": "cancelled", "pose": "cancelled", "yolo": "cancelled",
    }  # fmt: skip
    assert made.state == "partial"
    assert jobs.cancel_open(made, ACTOR) == 0
    assert Event.objects.filter(subject=f"job:{made.pk.hex}").count() == 1


@pytest.mark.django_db
def test_cancelling_a_video_ends_all_its_jobs_and_no_other():
    video, other = given.video(), given.job()
    first, second = jobs.create_job(video, ["asr"]), jobs.create_job(video, ["ocr", "cut"])

    assert jobs.cancel_open(video, ACTOR) == 3

    states = dict(ProcessingJob.objects.values_list("pk", "state"))
    assert states == {first.pk: "cancelled", second.pk: "cancelled", other.pk: "queued"}
    assert Event.objects.filter(kind="job:cancelled").count() == 2


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_who_end_the_last_two_steps_at_once_end_the_job_once():
    made = given.job(None, ["asr", "ocr"])
    given.put(made, asr="running", ocr="running")
    start = threading.Barrier(2)

    def end(processor: str) -> None:
        start.wait(10)
        try:
            with transaction.atomic():
                job = jobs.hold(made.pk)
                rows = ProcessingStep.objects.filter(job=job, processor=processor)
                rows.update(state=StepState.DONE, lease=None, leased_until=None)
                jobs.follow(job, ACTOR)
        finally:
            connection.close()

    threads = [threading.Thread(target=end, args=(name,)) for name in ("asr", "ocr")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    made.refresh_from_db()
    assert made.state == "done"
    assert Event.objects.filter(kind="job:done").count() == 1
