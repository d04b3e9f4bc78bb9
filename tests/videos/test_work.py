"""What a worker says of what it has: results, failures, signs of life; and a lease that is lost."""

import json
import uuid
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from events.models import Event
from tests.videos import jobs as given
from tests.videos.work import Worker
from videos.models import ProcessingJob, ProcessingStep
from videos.services import jobs, leases

pytestmark = pytest.mark.django_db
DEEP = json.loads("[" * 33 + "]" * 33)


@pytest.fixture
def job():
    return given.job(None, ["asr", "ocr"])


@pytest.fixture
def worker(job):
    made = Worker()
    assert made.claim() == ["asr", "ocr"]
    return made


def everything():
    rows = [*ProcessingStep.objects.order_by("pk"), *ProcessingJob.objects.order_by("pk")]
    return [{name: value for name, value in vars(row).items() if name != "_state"} for row in rows]


def due_again(job):
    ProcessingStep.objects.filter(job=job).update(due_at=Now())


def test_a_result_for_each_step_ends_the_job(job, worker):
    first = worker.done("asr", {"text": "é"}, artefacts=["https://media.example.org/1.vtt"])
    assert (first.status_code, first.json()["state"]) == (200, "running")

    assert worker.done("ocr").json()["state"] == "done"

    assert worker.say("complete").status_code == 200
    step = ProcessingStep.objects.get(job=job, processor="asr")
    assert step.result == {"text": "é"}
    assert step.artefacts == ["https://media.example.org/1.vtt"]
    assert (step.progress, step.lease, step.worker) == (100, None, "w1")
    assert Event.objects.get(subject=f"job:{job.pk.hex}").kind == "job:done"


def test_the_same_result_again_is_answered_the_same(job, worker):
    worker.done("asr", {"a": [1, 2.5, None, "x"]})
    before = everything()

    assert worker.done("asr", {"a": [1, 2.5, None, "x"]}).status_code == 200
    other = worker.done("asr", {"a": 2})

    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    assert everything() == before


def test_complete_names_what_has_no_result(worker):
    worker.done("asr")

    answer = worker.say("complete")

    assert answer.status_code == 409
    assert (answer.json()["code"], answer.json()["processors"]) == ("conflict", ["ocr"])


def test_a_heartbeat_makes_the_lease_last_and_notes_progress(job, worker):
    answer = worker.say("heartbeat", progress={"asr": 40, "pose": 3}, lease_seconds=3600)

    assert answer.json()["processors"] == ["asr", "ocr"]
    rows = ProcessingStep.objects.filter(job=job)
    assert dict(rows.values_list("processor", "progress")) == {"asr": 40, "ocr": 0}
    assert rows.filter(leased_until__gt=Now() + timedelta(seconds=3590)).count() == 2
    worker.say("heartbeat", lease_seconds=30)
    assert rows.filter(leased_until__gt=Now() + timedelta(seconds=3590)).count() == 2


def test_what_failed_is_tried_again_later_and_the_rest_goes_on(job, worker):
    answer = worker.say("fail", processor="asr", error="no sound " * 100)

    assert answer.json() == {"steps": {"asr": "queued"}}
    step = ProcessingStep.objects.get(job=job, processor="asr")
    assert len(step.last_error) == 500
    assert step.due_at > step.updated_at + timedelta(seconds=20)
    assert worker.done("ocr").json()["state"] == "queued"
    assert worker.say("complete").status_code == 200
    assert Worker().claim() == []


def test_the_fifth_failure_is_the_last(job, worker):
    for attempt in range(4):
        assert worker.say("fail", error="no").json()["steps"] == {"asr": "queued", "ocr": "queued"}
        due_again(job)
        assert worker.claim() == ["asr", "ocr"], attempt
    worker.done("ocr")

    assert worker.say("fail", error="no").json()["steps"] == {"asr": "dead"}

    job.refresh_from_db()
    assert job.state == "partial"
    assert Event.objects.get(subject=f"job:{job.pk.hex}").kind == "job:failed"
    assert Worker().claim() == []


def test_without_retry_the_first_failure_is_the_last(job, worker):
    answer = worker.say("fail", error="not a video", retry=False)

    assert answer.json()["steps"] == {"asr": "dead", "ocr": "dead"}
    job.refresh_from_db()
    assert job.state == "failed"


def test_pauses_double_and_are_spread():
    pauses = [[leases.pause_after(attempt) for _ in range(200)] for attempt in (1, 2, 4, 20)]

    for found, middle in zip(pauses, (30, 60, 240, 3600), strict=True):
        assert middle * 0.8 <= min(found) < middle * 0.9 < middle * 1.1 < max(found) <= middle * 1.2


def test_given_back_is_claimed_at_once_and_counts_no_attempt(job, worker):
    worker.done("ocr")
    before = ProcessingStep.objects.get(job=job, processor="asr").due_at

    assert worker.say("release").json()["processors"] == ["asr"]

    step = ProcessingStep.objects.get(job=job, processor="asr")
    assert (step.state, step.attempts, step.due_at) == ("queued", 0, before)
    assert Worker().claim() == ["asr"]


def test_a_job_that_kills_its_workers_ends(job):
    for _ in range(leases.MOST_ATTEMPTS):
        assert Worker().claim() == ["asr", "ocr"]
        ProcessingStep.objects.filter(job=job).update(leased_until=Now() - timedelta(seconds=1))
        assert leases.expire_leases(actor="test") == 2
        assert leases.expire_leases(actor="test") == 0

    job.refresh_from_db()
    assert (job.state, Worker().claim()) == ("failed", [])
    assert given.steps_of(job) == {"asr": "dead", "ocr": "dead"}


def lost_by_time(job):
    ProcessingStep.objects.filter(job=job, state="running").update(
        leased_until=Now() - timedelta(seconds=1)
    )
    leases.expire_leases(actor="test")


def lost_to_another(job):
    lost_by_time(job)
    assert Worker().claim() == ["ocr"]


def lost_by_cancelling(job):
    jobs.cancel_open(job, "test")


@pytest.mark.parametrize("lose", [lost_by_time, lost_to_another, lost_by_cancelling])
def test_a_lost_lease_changes_nothing(job, worker, lose):
    worker.done("asr", {"a": 1})
    lose(job)
    before, told = everything(), Event.objects.count()

    said = [
        worker.say("heartbeat", progress={"ocr": 5}),
        worker.done("ocr"),
        worker.say("complete"),
        worker.say("fail", error="no"),
        worker.say("fail", error="no", processor="ocr", retry=False),
        worker.say("fail", error="no", processor="asr"),
        worker.say("release"),
    ]

    assert {(one.status_code, one.json()["code"]) for one in said} == {(409, "lease_lost")}
    assert everything() == before
    assert Event.objects.count() == told


def test_who_is_late_but_lost_nothing_goes_on(job, worker):
    ProcessingStep.objects.filter(job=job).update(leased_until=Now() - timedelta(seconds=1))

    assert worker.say("heartbeat").status_code == 200
    assert leases.expire_leases(actor="test") == 0


def test_there_is_nothing_to_say_of_a_job_that_is_not_there(worker):
    worker.job = str(uuid.uuid4())

    for verb, more in (
        ("heartbeat", {}), ("complete", {}), ("release", {}), ("fail", {"error": "no"}),
        ("results", {"processor": "asr", "result": {}}),
    ):  # fmt: skip
        assert worker.say(verb, **more).status_code == 404


@pytest.mark.parametrize(
    ("verb", "body", "pointer"),
    [
        ("results", {"result": DEEP}, "#/result"),
        ("results", {"result": "x" * 1_000_000}, "#/result"),
        ("results", {"result": {"a": ["\0"]}}, "#/result"),
        ("results", {"result": {"\0": 1}}, "#/result"),
        ("results", {"result": {"a": "\ud800"}}, "#/result"),
        ("results", {"processor": "sleep"}, "#/processor"),
        ("results", {"processor": ["asr"]}, "#/processor"),
        ("results", {"artefacts": "https://a.example"}, "#/artefacts"),
        ("results", {"artefacts": ["https://a.example"] * 101}, "#/artefacts"),
        ("results", {"artefacts": ["https://a.example/" + "x" * 2000]}, "#/artefacts/0"),
        ("results", {"artefacts": ["https://a.example", "ftp://a.example"]}, "#/artefacts/1"),
        ("results", {"artefacts": ["javascript:alert(1)"]}, "#/artefacts/0"),
        ("results", {"artefacts": ["https://u:p@a.example/"]}, "#/artefacts/0"),
        ("results", {"artefacts": ["https:///x"]}, "#/artefacts/0"),
        ("results", {"artefacts": ["https://[::1/x"]}, "#/artefacts/0"),
        ("results", {"artefacts": ["https://a.example/\n"]}, "#/artefacts/0"),
        ("results", {"artefacts": [None]}, "#/artefacts/0"),
        ("results", {"state": "done"}, "#/state"),
        ("results", {"lease": "x"}, "#/lease"),
        ("results", {"lease": None}, "#/lease"),
        ("results", {"lease": 10**40}, "#/lease"),
        ("heartbeat", {"progress": {"asr": 101}}, "#/progress/asr"),
        ("heartbeat", {"progress": {"asr": "much"}}, "#/progress/asr"),
        ("heartbeat", {"progress": {"sleep": 1}}, "#/progress/sleep"),
        ("heartbeat", {"progress": [1]}, "#/progress"),
        ("fail", {"error": ""}, "#/error"),
        ("fail", {"error": "\0"}, "#/error"),
        ("fail", {"error": "e", "retry": "perhaps"}, "#/retry"),
        ("fail", {"error": "e", "processor": "sleep"}, "#/processor"),
        ("complete", {"lease": [1]}, "#/lease"),
        ("release", {"lease": {}}, "#/lease"),
    ],
)
def test_what_makes_no_sense_is_refused(worker, verb, body, pointer):
    least = {"processor": "asr", "result": {}} if verb == "results" else {}
    before = everything()

    answer = worker.say(verb, **{**least, **body})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith(pointer)
    assert everything() == before


def test_numbers_that_are_none_are_refused(worker):
    place = f"/api/v1/jobs/{worker.job}/results"
    for number in ("1e999", "-1e999", "NaN", "Infinity"):
        text = f'{{"lease": "{worker.lease}", "processor": "asr", "result": [{number}]}}'
        answer = worker.api.generic("POST", place, text, content_type="application/json")
        assert answer.status_code in (400, 422), number
