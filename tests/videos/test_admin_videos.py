"""/api/v1/admin/videos and /jobs: everybody's, for ADMIN_TOKEN, services' keys and staff."""

import uuid

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from accounts.models import Status, User
from apikeys.services.issue import issue_key
from apikeys.services.makers import system
from apikeys.services.wanted import NewKey
from events.models import Event
from tests import make
from tests.apikeys.calls import client, pointers
from tests.videos.library import ADMIN_JOBS, ADMIN_VIDEOS, caller, holder, names, used, video
from videos.models import ProcessingJob, ProcessingStep, Video
from videos.services import library

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice():
    return holder("alice")


@pytest.fixture
def bob():
    return holder("bob")


def service(*scopes):
    new = NewKey(name="s", service_name="s", scopes=scopes)
    return client(issue_key(new, maker=system("test")).secret)


def test_all_rows_are_listed_with_their_owners(admin_api, alice, bob):
    for owner, name in ((alice, "a"), (bob, "b"), (None, "nobodys")):
        video(owner, name, location=f"/data/{name}")
    library.delete_video(Video.objects.get(name="b").pk, actor="test")
    Video.objects.filter(name="a").update(over_quota=True)

    rows = admin_api.get(ADMIN_VIDEOS).json()["results"]

    assert [row["name"] for row in rows] == ["nobodys", "b", "a"]
    assert [row["owner"] and row["owner"]["username"] for row in rows] == [None, "bob", "alice"]
    assert rows[2]["job"]["owner"]["username"] == "alice"
    for query, found in (
        (f"owner={alice.pk}", ["a"]), ("no_owner=true", ["nobodys"]), ("deleted=true", ["b"]),
        ("deleted=false&no_owner=false", ["a"]), ("over_quota=true", ["a"]), ("q=NOB", ["nobodys"]),
        (f"owner={uuid.uuid4()}", []), ("ordering=name", ["a", "b", "nobodys"]),
    ):  # fmt: skip
        assert names(admin_api.get(f"{ADMIN_VIDEOS}?{query}")) == found, query


@pytest.mark.parametrize(
    "query", ["owner=alice", "owner__username=alice", "ordering=owner", "location=/", "no_owner=x"]
)
def test_what_is_no_filter_is_refused(admin_api, query):
    assert pointers(admin_api.get(f"{ADMIN_VIDEOS}?{query}")) == ["?" + query.partition("=")[0]]


def test_jobs_show_who_works_on_them_and_why_one_failed(admin_api, alice):
    made = video(alice)
    ProcessingStep.objects.filter(processor="asr").update(worker="w1", last_error="/srv/m: no")

    listed = admin_api.get(f"{ADMIN_JOBS}?owner={alice.pk}&no_owner=false").json()["results"]
    shown = admin_api.get(f"{ADMIN_JOBS}/{made.jobs.get().pk}").json()

    assert [job["owner"]["username"] for job in listed] == ["alice"]
    assert (listed[0]["steps"][0]["worker"], shown["steps"][0]["last_error"]) == (
        "w1",
        "/srv/m: no",
    )
    assert ("result" in listed[0]["steps"][0], "result" in shown["steps"][0]) == (False, True)
    assert admin_api.get(f"{ADMIN_JOBS}?no_owner=true").json()["total"] == 0


def reassign(api, made, owner, **given):
    wanted = {"owner": str(owner.pk) if owner else None, **given}
    return api.patch(f"{ADMIN_VIDEOS}/{made.pk}", wanted)


def test_a_reassigned_video_takes_its_bytes_and_jobs_along(admin_api, alice, bob):
    made = video(alice, size=60)

    answer = reassign(admin_api, made, bob, name="Theirs")

    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert (body["owner"]["username"], body["owner_label"], body["name"]) == (
        "bob",
        "alice",
        "Theirs",
    )
    assert body["job"]["owner"]["username"] == "bob"
    assert [used(alice), used(bob)] == [0, 60]
    assert ProcessingJob.objects.get().owner == bob
    assert Event.objects.get(kind="video:reassigned").actor == "admin-token"
    assert caller(alice).get(f"/api/v1/videos/{made.pk}").status_code == 404
    assert caller(bob).get(f"/api/v1/jobs/{body['job']['id']}").status_code == 200


def test_it_is_refused_where_it_does_not_fit_unless_anyway(admin_api, alice, bob):
    made = video(alice, size=60)
    video(bob, "b.mp4", 41)

    refused = reassign(admin_api, made, bob, name="x")
    assert (refused.status_code, refused.json()["code"]) == (403, "storage_quota_exceeded")
    assert [used(alice), used(bob), Video.objects.get(pk=made.pk).name] == [60, 41, "a.mp4"]

    assert reassign(admin_api, made, bob, anyway=True).json()["over_quota"] is True
    assert [used(alice), used(bob)] == [0, 101]


def test_nobodys_video_counts_for_nobody(admin_api, alice):
    made = video(alice)

    assert reassign(admin_api, made, None).json()["owner"] is None
    assert used(alice) == 0
    assert reassign(admin_api, made, alice).json()["storage"]["used"] == 10
    assert used(alice) == 10


def test_a_deleted_video_is_reassigned_without_bytes(admin_api, alice, bob):
    made = video(alice)
    library.delete_video(made.pk, actor="test")

    assert reassign(admin_api, made, bob).status_code == 200
    assert [used(alice), used(bob)] == [0, 0]
    assert admin_api.post(f"{ADMIN_VIDEOS}/{made.pk}/restore").status_code == 200
    assert [used(alice), used(bob)] == [0, 10]


def test_two_videos_never_have_one_path(admin_api, alice, bob):
    made, _ = video(alice), video(bob)

    answer = reassign(admin_api, made, bob)

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert [used(alice), used(bob)] == [10, 10]


def test_only_a_member_can_own(admin_api, alice):
    made, gone = video(alice), holder("gone")
    User.objects.filter(pk=gone.pk).update(status=Status.DELETED)

    for owner in (gone, make.staff(), User(id=uuid.uuid4())):
        assert pointers(reassign(admin_api, made, owner)) == ["#/owner"]
    suspended = holder("carol")
    User.objects.filter(pk=suspended.pk).update(status=Status.SUSPENDED)
    assert reassign(admin_api, made, suspended).json()["code"] == "member_suspended"
    assert used(alice) == 10


@pytest.mark.parametrize(
    "body", [{}, {"anyway": True}, {"owner": "bob"}, {"size": 1}, {"owner": []}]
)
def test_odd_changes_are_refused(admin_api, alice, body):
    assert admin_api.patch(f"{ADMIN_VIDEOS}/{video(alice).pk}", body).status_code == 422


def test_a_change_of_another_version_is_refused(admin_api, alice, bob):
    made = video(alice)
    wanted = {"owner": str(bob.pk), "name": "x"}

    answers = [
        admin_api.patch(f"{ADMIN_VIDEOS}/{made.pk}", wanted, headers={"If-Match": tag})
        for tag in ('"9"', '"1"')
    ]

    assert [answer.status_code for answer in answers] == [412, 200]


def test_delete_restore_and_purge_now(admin_api, alice, settings):
    made = video(alice)
    place = f"{ADMIN_VIDEOS}/{made.pk}"

    assert admin_api.post(f"{place}/purge").status_code == 409
    assert [admin_api.delete(place).status_code for _ in range(2)] == [204, 204]
    video(alice, "b.mp4", 95)
    assert admin_api.post(f"{place}/restore").json()["code"] == "storage_quota_exceeded"
    assert admin_api.post(f"{place}/restore", {"anyway": True}).json()["over_quota"] is True
    assert admin_api.delete(place).status_code == 204
    Video.objects.filter(pk=made.pk).update(deleted_at=timezone.now() - settings.VIDEO_PURGE_AFTER)
    assert admin_api.post(f"{place}/restore").status_code == 409
    assert admin_api.post(f"{place}/purge").status_code == 204
    assert admin_api.get(place).status_code == 404
    assert used(alice) == 95


def test_scopes_and_permissions_part_reading_from_writing(api, alice):
    made = video(alice)
    place = f"{ADMIN_VIDEOS}/{made.pk}"
    reader, writer = service("videos:read", "jobs:read"), service("videos:write")
    staff = make.staff("clerk", superuser=False)
    staff.user_permissions.add(Permission.objects.get(codename="view_video"))
    api.force_login(staff)

    for person, can in ((reader, True), (writer, False), (api, True), (caller(alice), False)):
        assert (person.get(ADMIN_VIDEOS).status_code == 200) is can
    for person in (reader, api, caller(alice), client("")):
        for call in (
            person.patch(place, {"name": "x"}), person.delete(place),
            person.post(f"{place}/restore"), person.post(f"{place}/purge"),
        ):  # fmt: skip
            assert call.status_code in (401, 403), call.content
    assert [reader.get(ADMIN_JOBS).status_code, api.get(ADMIN_JOBS).status_code] == [200, 403]
    assert writer.patch(place, {"name": "x"}).status_code == 200


def test_members_routes_are_not_for_services_nor_sessions(api, alice):
    made = video(alice)
    whole = client(make.service_key("admin").secret)
    api.force_login(make.staff())

    for path in ("/api/v1/videos", f"/api/v1/videos/{made.pk}", "/api/v1/jobs"):
        assert whole.get(path).json()["code"] == "permission_denied"
        assert api.get(path).json()["code"] == "missing_key"
