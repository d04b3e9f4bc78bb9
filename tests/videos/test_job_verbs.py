"""Cancel, requeue and priority: members their own jobs, staff any."""

import uuid

import pytest
from django.contrib.auth.models import Permission

from apikeys.models import ApiKey
from events.models import Event
from tests import make
from tests.videos import jobs as given
from tests.videos.work import Worker, worker_secret
from videos.models import ProcessingStep
from videos.services import jobs

pytestmark = pytest.mark.django_db
MINE, ANY = "/api/v1/jobs", "/api/v1/admin/jobs"


@pytest.fixture
def alice():
    return make.member()


@pytest.fixture
def as_alice(api, alice):
    api.credentials(HTTP_X_API_KEY=make.key(alice).secret)
    return api


def kinds(job):
    events = Event.objects.filter(subject=f"job:{job.pk.hex}").order_by("pk")
    return list(events.values_list("kind", flat=True))


def test_a_member_calls_off_their_job_and_has_it_done_again(as_alice, alice):
    job = given.job(alice, ["asr", "ocr"])
    worker = Worker()
    worker.claim()
    worker.done("ocr")

    called_off = as_alice.post(f"{MINE}/{job.pk}/cancel")
    assert (called_off.status_code, called_off.json()["state"]) == (200, "partial")
    assert worker.say("heartbeat").json()["code"] == "lease_lost"
    again = as_alice.post(f"{MINE}/{job.pk}/requeue")
    assert (again.status_code, again.json()["state"]) == (200, "queued")

    assert given.steps_of(job) == {"asr": "queued", "ocr": "done"}
    assert ProcessingStep.objects.get(job=job, processor="asr").attempts == 0
    assert Worker().claim() == ["asr"]
    assert kinds(job) == ["job:cancelled", "job:requeued"]


def test_there_is_not_always_something_to_do(as_alice, alice):
    job = given.job(alice, ["asr"])

    assert as_alice.post(f"{MINE}/{job.pk}/requeue").status_code == 409
    assert as_alice.post(f"{MINE}/{job.pk}/cancel").status_code == 200
    assert as_alice.post(f"{MINE}/{job.pk}/cancel").status_code == 409
    assert kinds(job) == ["job:cancelled"]


def test_of_a_deleted_video_nothing_is_done_again(as_alice, alice):
    job = given.job(alice, ["asr"])
    jobs.cancel_open(job, "test")
    type(job.video).objects.filter(pk=job.video_id).update(deleted_at="2026-01-01T00:00:00Z")

    assert as_alice.post(f"{MINE}/{job.pk}/requeue").status_code == 409
    assert given.steps_of(job) == {"asr": "cancelled"}


@pytest.mark.parametrize("verb", ["cancel", "requeue"])
def test_anothers_job_is_not_there(as_alice, verb):
    foreign, nobodys = given.job(make.member("bob")), given.job()
    answers = [
        as_alice.post(f"{MINE}/{job_id}/{verb}")
        for job_id in (foreign.pk, nobodys.pk, uuid.uuid4())
    ]

    assert {answer.status_code for answer in answers} == {404}
    said = [
        {
            name: value
            for name, value in answer.json().items()
            if name not in ("request_id", "instance")
        }
        for answer in answers
    ]
    assert said[0] == said[1] == said[2]
    assert set(given.steps_of(foreign).values()) == {"queued"}


def test_a_services_key_has_no_jobs_of_its_own(api, alice):
    nobodys, hers = given.job(), given.job(alice)
    api.credentials(HTTP_X_API_KEY=worker_secret("videos:write"))
    ApiKey.objects.update(owner=alice)

    assert api.post(f"{MINE}/{hers.pk}/cancel").status_code == 403

    assert api.post(f"{MINE}/{nobodys.pk}/cancel").status_code == 403
    assert api.post(f"{ANY}/{nobodys.pk}/cancel").status_code == 200


def test_staff_call_off_and_requeue_any_job_and_put_it_first(admin_api, alice):
    given.job(alice)
    job = given.job(alice, ["asr"])

    assert admin_api.post(f"{ANY}/{job.pk}/cancel").json()["state"] == "cancelled"
    assert admin_api.post(f"{ANY}/{job.pk}/requeue").json()["state"] == "queued"
    assert admin_api.post(f"{ANY}/{job.pk}/priority", {"priority": 100}).json()["priority"] == 100

    worker = Worker()
    worker.claim()
    assert worker.job == str(job.pk)


@pytest.mark.parametrize(
    "body", [{}, {"priority": 101}, {"priority": "x"}, {"priority": 1, "a": 1}, []]
)
def test_priorities_have_a_range(admin_api, alice, body):
    job = given.job(alice)

    assert admin_api.post(f"{ANY}/{job.pk}/priority", body).status_code == 422
    assert admin_api.post(f"{ANY}/{uuid.uuid4()}/priority", {"priority": 1}).status_code == 404


def test_staff_need_the_permission_to_change_jobs(api, alice):
    job, staff = given.job(alice), make.staff(superuser=False)
    api.force_login(staff)

    assert api.post(f"{ANY}/{job.pk}/cancel").status_code == 403
    staff.user_permissions.add(Permission.objects.get(codename="change_processingjob"))
    assert api.post(f"{ANY}/{job.pk}/cancel").status_code == 200


def test_members_are_not_staff(as_alice, alice):
    job = given.job(alice)

    assert as_alice.post(f"{ANY}/{job.pk}/cancel").status_code == 403
