"""POST /api/v1/register: one video per file, the storage's figures when it does not fit."""

import json

import pytest
from django.db import connection

from accounts.models import Status, User
from events.models import Event
from momentry.common.models import IdempotencyRecord
from provisioning.models import SftpgoAccount
from provisioning.sftpgo.config import SftpgoConfig
from tests import make
from tests.videos.calls import REGISTER, Caller, caller, hook_key, pointers, sent
from videos.api.inputs import MOST_BYTES
from videos.models import ProcessingJob, ProcessingStep, Video

pytestmark = pytest.mark.django_db

FILE = {"path": "/film/a.mp4", "size": 60}


@pytest.fixture
def alice():
    return caller()


def written():
    models = (Video, ProcessingJob, ProcessingStep, IdempotencyRecord)
    events = Event.objects.filter(kind__startswith="video:")
    return [model.objects.count() for model in models] + [events.count()]


def test_a_file_is_registered_once_and_then_known(alice):
    first = alice.post(REGISTER, FILE)
    video, job = Video.objects.get(), ProcessingJob.objects.get()

    assert first.status_code == 201
    assert first.json() == {"uuid": str(video.pk), "job_id": str(job.pk)}
    assert first.headers["Location"] == f"/api/v1/videos/{video.pk}"
    assert (video.owner, job.steps.count(), alice.figures()) == (alice.member, 6, (60, 0))

    again = alice.post(REGISTER, FILE)
    assert (again.status_code, again.json()) == (200, first.json())
    assert alice.figures() == (60, 0)


def test_the_event_says_which_key_registered_which_file(alice):
    alice.post(REGISTER, FILE)

    event, video = Event.objects.get(kind="video:registered"), Video.objects.get()
    assert event.actor == f"key:{alice.secret.split('_')[1]}"
    assert event.subject == f"video:{video.pk.hex}"
    said = {"path": "/film/a.mp4", "size": 60, "over_quota": False, "source": "rest"}
    assert json.loads(event.details) == {"owner": str(alice.member.pk), **said}


def test_another_size_is_the_same_video_with_a_new_job(alice):
    first = alice.post(REGISTER, FILE).json()

    again = alice.post(REGISTER, {**FILE, "size": 100})

    assert (again.status_code, again.json()["uuid"]) == (200, first["uuid"])
    assert again.json()["job_id"] != first["job_id"]
    assert alice.figures() == (100, 0)


def test_an_exact_fit_is_taken_and_a_byte_more_writes_nothing(alice):
    alice.post(REGISTER, FILE)
    before = written()

    refused = alice.post(REGISTER, {"path": "/b.mp4", "size": 41})

    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (403, "storage_quota_exceeded")
    figures = {name: problem[name] for name in ("quota", "used", "reserved", "requested")}
    assert figures == {"quota": 100, "used": 60, "reserved": 0, "requested": 41}
    assert (written(), alice.figures()) == (before, (60, 0))

    assert alice.post(REGISTER, {"path": "/b.mp4", "size": 40}).status_code == 201
    assert alice.figures() == (100, 0)


def test_the_days_quota_is_told_apart(alice):
    User.objects.update(quota_daily=50)

    problem = alice.post(REGISTER, FILE).json()

    assert (problem["code"], problem["window"]) == ("storage_quota_exceeded", "day")
    assert (problem["quota"], problem["used"], problem["requested"]) == (50, 0, 60)


def test_a_repeat_with_an_idempotency_key_gets_the_first_answer(alice):
    key = {"Idempotency-Key": "3f"}
    first = alice.post(REGISTER, FILE, **key)
    Video.objects.all().delete()

    again = alice.post(REGISTER, FILE, **key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Idempotency-Replayed"] == "true"
    assert Video.objects.count() == 0

    other = alice.post(REGISTER, {**FILE, "size": 61}, **key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


def test_processors_and_the_digest_are_taken(alice):
    given = {**FILE, "sha256": "AB" * 32, "processors": ["ocr", "asr", "asr"]}

    assert alice.post(REGISTER, given).status_code == 201
    assert Video.objects.get().sha256 == "ab" * 32
    found = ProcessingStep.objects.values_list("processor", flat=True)
    assert sorted(found) == ["asr", "ocr"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"size": 1}, "#/path"), ({**FILE, "path": 7}, "#/path"),
        ({**FILE, "path": None}, "#/path"), ({**FILE, "path": ["/a"]}, "#/path"),
        ({**FILE, "path": "/../a"}, "#/path"),
        ({**FILE, "path": ""}, "#/path"), ({**FILE, "path": True}, "#/path"),
        ({**FILE, "size": -1}, "#/size"), ({**FILE, "size": None}, "#/size"),
        ({**FILE, "size": True}, "#/size"), ({**FILE, "size": 1.5}, "#/size"),
        ({**FILE, "size": [1]}, "#/size"), ({**FILE, "size": "much"}, "#/size"),
        ({**FILE, "size": MOST_BYTES + 1}, "#/size"), ({**FILE, "size": 2**63}, "#/size"),
        ({**FILE, "size": 1e300}, "#/size"), ({"path": "/a.mp4"}, "#/size"),
        ({**FILE, "sha256": ""}, "#/sha256"), ({**FILE, "sha256": "g" * 64}, "#/sha256"),
        ({**FILE, "sha256": "a" * 64 + "\n"}, "#/sha256"), ({**FILE, "sha256": {}}, "#/sha256"),
        ({**FILE, "processors": []}, "#/processors"),
        ({**FILE, "processors": "asr"}, "#/processors"),
        ({**FILE, "processors": {"asr": 1}}, "#/processors"),
        ({**FILE, "processors": ["asr"] * 7}, "#/processors"),
        ({**FILE, "processors": ["asr", "smell"]}, "#/processors/1"),
        ({**FILE, "processors": [["asr"]]}, "#/processors/0"),
        ([FILE], "#"), ("text", "#"), (None, "#"),
    ],
)  # fmt: skip
def test_odd_types_and_values_are_refused_and_write_nothing(alice, body, pointer):
    refused = alice.post(REGISTER, body)

    assert (refused.status_code, pointers(refused)[0]) == (422, pointer)
    assert (written(), alice.figures()) == ([0, 0, 0, 0, 0], (0, 0))


@pytest.mark.parametrize(
    "field",
    ["priority", "owner", "owner_id", "id", "uuid", "state", "over_quota", "source", "location",
     "anyway", "quota_size", "kind", "created_at", "version"],
)  # fmt: skip
def test_what_is_not_the_callers_to_say_is_refused(alice, field):
    refused = alice.post(REGISTER, {**FILE, field: 1})

    assert (refused.status_code, pointers(refused)) == (422, [f"#/{field}"])
    assert Video.objects.count() == 0


def test_half_a_pair_of_surrogates_is_no_path(alice):
    refused = alice.post(REGISTER, {**FILE, "path": "/\ud800"})

    assert (refused.status_code, pointers(refused)) == (422, ["#/path"])


def test_sums_end_where_the_columns_end():
    eve = caller("eve", quota=None)
    User.objects.filter(pk=eve.member.pk).update(quota_used=2**63 - MOST_BYTES)

    refused = eve.post(REGISTER, {**FILE, "size": MOST_BYTES})
    assert (refused.status_code, refused.json()["code"]) == (403, "storage_quota_exceeded")
    assert eve.post(REGISTER, {**FILE, "size": MOST_BYTES - 1}).status_code == 201


@pytest.mark.parametrize(
    ("change", "code"),
    [({"status": Status.SUSPENDED}, "member_suspended"), ({"status": Status.DELETED}, None)],
)
def test_who_is_not_active_registers_nothing(alice, change, code):
    User.objects.filter(pk=alice.member.pk).update(**change)

    refused = alice.post(REGISTER, FILE)

    assert refused.status_code in (401, 403)
    assert code in (None, refused.json()["code"])
    assert Video.objects.count() == 0


def test_a_key_without_the_scope_registers_nothing(alice):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE apikeys_apikey SET scopes = '{videos:read}'")

    refused = alice.post(REGISTER, FILE)

    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    assert "videos:write" in refused.headers["WWW-Authenticate"]


def test_nobody_registers_without_a_key(api, admin_api):
    for client, code in ((api, "missing_key"), (admin_api, "invalid_key")):
        refused = sent(client, REGISTER, FILE, {})
        assert (refused.status_code, refused.json()["code"]) == (401, code)


def test_a_services_key_has_no_videos():
    service = Caller(make.member(), hook_key("videos:write"))

    refused = service.post(REGISTER, FILE)

    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")


def test_a_file_that_can_be_seen_is_measured(alice, tmp_path, settings):
    (tmp_path / "alice").mkdir()
    (tmp_path / "alice" / "a.mp4").write_bytes(b"x" * 77)
    settings.SFTPGO = SftpgoConfig("", "", "", "", str(tmp_path), "/data", "", 22)
    SftpgoAccount.objects.update_or_create(
        member=alice.member, defaults={"username": "alice", "home_dir": "/data/alice"}
    )

    assert alice.post(REGISTER, {"path": "/a.mp4"}).status_code == 201

    video = Video.objects.get()
    assert (video.size, video.location, alice.figures()) == (77, "/data/alice/a.mp4", (77, 0))
    assert pointers(alice.post(REGISTER, {"path": "/b.mp4"})) == ["#/size"]
