"""Which step a worker is given, and what it is told of it."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from tests import make
from tests.videos import jobs as given
from tests.videos.work import CLAIM, Worker, worker_secret
from videos.models import ProcessingStep
from videos.services import jobs, queue

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_lookout(monkeypatch):
    monkeypatch.setattr(queue, "lookout", queue.Lookout())


@pytest.fixture
def worker():
    return Worker()


def test_a_claim_says_what_to_do_with_which_file_until_when(worker):
    video = given.video(make.member(), sha256="ab" * 32, location="/data/alice/clip.mp4")
    job = jobs.create_job(video, ["asr", "ocr"], 3)

    body = worker.ask(["ocr", "asr", "yolo"], lease_seconds=300).json()

    assert body["job"]["id"] == str(job.pk)
    assert (body["job"]["kind"], body["job"]["priority"]) == ("auto_ingestion", 3)
    assert body["video"] == {
        "uuid": str(video.pk), "path": video.path, "location": "/data/alice/clip.mp4",
        "size": video.size, "sha256": "ab" * 32, "name": video.name,
    }  # fmt: skip
    assert body["processors"] == ["asr", "ocr"]
    assert body["attempts"] == {"asr": 1, "ocr": 1}
    rows = ProcessingStep.objects.filter(job=job, state="running", worker="w1")
    near = rows.filter(leased_until__gt=Now() + timedelta(seconds=290))
    assert near.filter(leased_until__lt=Now() + timedelta(seconds=310)).count() == 2
    assert {str(step.lease) for step in rows} == {body["lease"]}
    job.refresh_from_db()
    assert job.state == "running"


def test_the_highest_priority_goes_first_and_then_the_oldest(worker):
    made = [given.job(priority=priority) for priority in (0, -100, 100, 0, 100)]
    order = [made[place] for place in (2, 4, 0, 3, 1)]

    claimed = []
    while worker.claim():
        claimed.append(worker.job)

    assert claimed == [str(job.pk) for job in order]


def test_the_best_is_found_across_processors(worker):
    given.job(None, ["asr"])
    best = given.job(None, ["yolo"], priority=1)

    assert worker.claim(["asr", "yolo"]) == ["yolo"]
    assert worker.job == str(best.pk)


def test_a_job_is_shared_by_workers_that_can_do_different_things():
    job = given.job()
    first, second = Worker(), Worker()

    assert first.claim(["asr"]) == ["asr"]
    assert second.claim(["asr", "pose"]) == ["pose"]
    assert first.job == second.job == str(job.pk)
    assert first.lease != second.lease


def test_what_is_not_due_yet_waits(worker):
    late = given.job(None, ["asr"], priority=9)
    rows = ProcessingStep.objects.filter(job=late)
    rows.update(due_at=Now() + timedelta(seconds=60))

    assert worker.claim() == []

    soon = given.job(None, ["asr"])
    assert worker.claim() == ["asr"]
    assert worker.job == str(soon.pk)


def test_nothing_to_do_is_204_and_says_when_to_come_again(worker):
    answer = worker.ask(["asr"])

    assert answer.status_code == 204
    assert 3 <= int(answer["Retry-After"]) <= 7


def test_a_lease_that_ran_out_is_claimed_at_once(worker):
    job = given.job(None, ["asr"])
    assert Worker().claim() == ["asr"]
    ProcessingStep.objects.filter(job=job).update(leased_until=Now() - timedelta(seconds=1))

    assert worker.claim() == ["asr"]

    assert ProcessingStep.objects.get(job=job).attempts == 2


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"processors": []}, "#/processors"),
        ({"processors": "asr"}, "#/processors"),
        ({"processors": ["ASR"]}, "#/processors/0"),
        ({"processors": [None]}, "#/processors/0"),
        ({"processors": [{"asr": 1}]}, "#/processors/0"),
        ({"processors": ["asr"] * 7}, "#/processors"),
        ({"worker": ""}, "#/worker"),
        ({"worker": "w" * 101}, "#/worker"),
        ({"worker": "w\0"}, "#/worker"),
        ({"worker": "\ud800"}, "#/worker"),
        ({"worker": ["w"]}, "#/worker"),
        ({"wait_seconds": 21}, "#/wait_seconds"),
        ({"wait_seconds": -1}, "#/wait_seconds"),
        ({"wait_seconds": None}, "#/wait_seconds"),
        ({"wait_seconds": 1e300}, "#/wait_seconds"),
        ({"lease_seconds": 29}, "#/lease_seconds"),
        ({"lease_seconds": 3601}, "#/lease_seconds"),
        ({"lease_seconds": "long"}, "#/lease_seconds"),
        ({"lease_seconds": True}, "#/lease_seconds"),
        ({"priority": 1}, "#/priority"),
    ],
)
def test_a_claim_that_makes_no_sense_is_refused(worker, body, pointer):
    given.job()

    answer = worker.send(CLAIM, {"processors": ["asr"], "worker": "w", **body})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith(pointer)
    assert not ProcessingStep.objects.exclude(state="queued").exists()


@pytest.mark.parametrize("body", [[], "asr", 1, None, [{"processors": ["asr"]}]])
def test_a_claim_that_is_no_object_is_refused(worker, body):
    assert worker.api.post(CLAIM, body).status_code == 422


@pytest.mark.parametrize("scope", ["videos:write", "jobs:read", "hooks:sftpgo", "jobs:*", "*:*"])
def test_workers_need_their_scope(scope):
    given.job()

    answer = Worker(worker_secret(scope)).ask()

    assert answer.status_code == (200 if "*" in scope else 403)


def test_members_and_staff_are_no_workers(api, admin_api):
    given.job()
    body = {"processors": ["asr"], "worker": "w"}

    assert Worker(make.key().secret).ask().status_code == 403
    assert api.post(CLAIM, body).status_code == 401
    assert admin_api.post(CLAIM, body).status_code == 401
    api.force_login(make.staff())
    assert api.post(CLAIM, body).status_code in (401, 403)
    assert not ProcessingStep.objects.exclude(state="queued").exists()
