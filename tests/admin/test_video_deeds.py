"""Staff rename, reassign, delete and restore videos, requeue jobs and call them off: asked first,
once, with an event, through the services, which may refuse."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import Status, User
from tests.admin.conftest import House, clerk
from tests.admin.pages import button, change, changelist
from tests.admin.test_deeds import actor, kinds, run
from tests.videos import rows
from videos.models import JobState, ProcessingJob, Video

YES = {"confirmed": "yes"}
SIZE = 1_048_576


@pytest.fixture(autouse=True)
def _counted(house: House) -> None:
    """bob's video is in his storage."""
    User.objects.filter(pk=house.bob.pk).update(quota_used=SIZE)


def used(*members: User) -> list[int]:
    return [User.objects.get(pk=member.pk).quota_used for member in members]


def press(client: Client, row: Any, deed: str, /, **given: str) -> str:
    """What the page says after it, messages included; the form again where it was not filled in."""
    answer = client.post(button(row, deed), {**YES, **given}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def of_videos() -> list[str]:
    return [kind for kind in kinds() if kind.partition(":")[0] in ("video", "job")]


def test_a_video_is_renamed(house: House, root: Client) -> None:
    asked = root.get(button(house.video, "rename_this")).content.decode()
    press(root, house.video, "rename_this", name="  Holidays ")

    assert f'value="{house.video.name}"' in asked
    assert Video.objects.get(pk=house.video.pk).name == "Holidays"
    assert kinds(kind="video:updated", actor=actor(root)) == ["video:updated"]


@pytest.mark.parametrize("name", ["", "   ", "x" * 256])
def test_a_name_that_is_none_is_asked_for_again(name: str, house: House, root: Client) -> None:
    page = press(root, house.video, "rename_this", name=name)

    assert 'name="confirmed"' in page
    assert of_videos() == []


def test_reassigning_asks_first_and_moves_the_bytes_once(house: House, root: Client) -> None:
    url = button(house.video, "reassign_this")
    assert "count from then" in root.get(url).content.decode()
    assert root.post(url, {"owner": "alice"}).status_code == 200
    assert used(house.alice, house.bob) == [0, SIZE]

    for _ in range(2):
        assert root.post(url, {**YES, "owner": "ALICE"}).status_code == 302

    assert used(house.alice, house.bob) == [SIZE, 0]
    video = Video.objects.select_related("owner").get(pk=house.video.pk)
    assert (video.owner, video.owner_label) == (house.alice, "bob")
    assert of_videos() == ["video:reassigned"]


def test_nobodys_files_are_reassigned_together(house: House, root: Client) -> None:
    found = [rows.video(None, location=f"/data/{n}", source="import") for n in range(3)]

    assert run(root, Video, "reassign_selected", *found) == 200
    assert used(house.alice) == [0]
    assert run(root, Video, "reassign_selected", *found, **YES, owner="alice") == 302

    assert used(house.alice) == [3 * SIZE]
    assert Video.objects.filter(owner=house.alice).count() == 3


@pytest.mark.parametrize("owner", ["carol", "root", "a" * 61])
def test_an_owner_who_is_no_member_is_refused(owner: str, house: House, root: Client) -> None:
    page = press(root, house.video, "reassign_this", owner=owner)

    assert 'name="confirmed"' in page
    assert Video.objects.get(pk=house.video.pk).owner == house.bob


def test_what_does_not_fit_is_reassigned_only_on_demand(house: House, root: Client) -> None:
    User.objects.filter(pk=house.alice.pk).update(quota_size=SIZE - 1)

    refused = press(root, house.video, "reassign_this", owner="alice")
    assert f"{house.video.name}: " in refused
    assert used(house.alice, house.bob) == [0, SIZE]
    press(root, house.video, "reassign_this", owner="alice", anyway="on")

    assert used(house.alice, house.bob) == [SIZE, 0]
    assert Video.objects.get(pk=house.video.pk).over_quota


def test_a_video_is_nobodys_again(house: House, root: Client) -> None:
    for given in ({"owner": ""}, {"owner": "alice", "nobody": "on"}):
        assert 'name="confirmed"' in press(root, house.video, "reassign_this", **given)
    assert used(house.alice, house.bob) == [0, SIZE]

    press(root, house.video, "reassign_this", nobody="on")

    assert Video.objects.get(pk=house.video.pk).owner is None
    assert used(house.bob) == [0]


def test_a_deletion_gives_the_space_back_once_and_a_restoration_takes_it(
    house: House, root: Client
) -> None:
    for _ in range(2):
        press(root, house.video, "delete_this")
    assert used(house.bob) == [0]
    house.job.refresh_from_db()
    assert house.job.state == JobState.CANCELLED

    for _ in range(2):
        press(root, house.video, "restore_this")

    assert used(house.bob) == [SIZE]
    assert of_videos() == ["job:cancelled", "video:deleted", "video:restored"]
    assert len(kinds(actor=actor(root), kind__startswith="video:")) == 2


def test_videos_are_deleted_and_restored_from_the_list(house: House, root: Client) -> None:
    other = rows.video(house.bob)
    User.objects.filter(pk=house.bob.pk).update(quota_used=2 * SIZE)

    for action in ("delete_selected_videos", "restore_selected"):
        assert run(root, Video, action, house.video, other) == 200
        assert run(root, Video, action, house.video, other, **YES) == 302
        assert used(house.bob) == [0 if action.startswith("delete") else 2 * SIZE]


def test_a_suspended_members_video_is_restored_only_on_demand(house: House, root: Client) -> None:
    press(root, house.video, "delete_this")
    User.objects.filter(pk=house.bob.pk).update(status=Status.SUSPENDED)

    press(root, house.video, "restore_this")
    assert used(house.bob) == [0]
    press(root, house.video, "restore_this", anyway="on")

    assert used(house.bob) == [SIZE]


def test_a_job_is_called_off(house: House, root: Client) -> None:
    for _ in range(2):
        press(root, house.job, "cancel_this")

    house.job.refresh_from_db()
    assert house.job.state == JobState.CANCELLED
    assert of_videos() == ["job:cancelled"]


def test_dead_steps_wait_again_with_all_their_attempts(house: House, root: Client) -> None:
    dead = rows.step(house.job, "asr", state="dead", attempts=5, last_error="out of memory")
    rows.step(house.job, "cut", state="done", attempts=1)
    for client in (root, root):
        press(client, house.job, "requeue_this")

    dead.refresh_from_db()
    assert (dead.state, dead.attempts, dead.last_error) == ("queued", 0, "")
    assert house.job.steps.get(processor="cut").state == "done"
    assert of_videos() == ["job:requeued"]


def test_jobs_are_called_off_and_requeued_from_the_list(house: House, root: Client) -> None:
    other = rows.job(rows.video(house.alice))

    for action, state in (("cancel_selected", "cancelled"), ("requeue_selected", "queued")):
        assert run(root, ProcessingJob, action, house.job, other) == 200
        assert run(root, ProcessingJob, action, house.job, other, **YES) == 302
        found = ProcessingJob.objects.values_list("state", flat=True)
        assert list(found) == [state, state]


def test_a_job_of_a_deleted_video_is_not_requeued(house: House, root: Client) -> None:
    press(root, house.video, "delete_this")

    page = press(root, house.job, "requeue_this")

    assert f"{house.job}: " in page
    assert of_videos() == ["job:cancelled", "video:deleted"]


@pytest.mark.parametrize(
    ("given", "kept"), [("7", 7), ("-100", -100), ("101", 0), ("", 0), ("x", 0), ("1.5", 0)]
)
def test_a_priority_is_a_whole_number_from_minus_100_to_100(
    given: str, kept: int, house: House, root: Client
) -> None:
    press(root, house.job, "prioritise_this", priority=given)

    house.job.refresh_from_db()
    assert house.job.priority == kept
    assert set(house.job.steps.values_list("job_priority", flat=True)) == {kept}


def test_a_priority_that_a_job_has_already_is_nothing_to_do(house: House, root: Client) -> None:
    pages = [press(root, house.job, "prioritise_this", priority="7") for _ in range(2)]

    assert ["nothing to do" in page for page in pages] == [False, True]


def test_a_page_offers_only_what_can_be_done(house: House, root: Client) -> None:
    def offered(row: Any, *names: str) -> list[str]:
        page = root.get(change(type(row), row.pk)).content.decode()
        return [name for name in names if f"/{name}" in page]

    videos = ("rename_this", "reassign_this", "restore_this", "delete_this")
    assert offered(house.video, *videos) == ["rename_this", "reassign_this", "delete_this"]
    jobs = ("requeue_this", "cancel_this", "prioritise_this")
    assert offered(house.job, *jobs) == ["cancel_this", "prioritise_this"]
    press(root, house.video, "delete_this")

    assert offered(house.video, *videos) == ["reassign_this", "restore_this"]
    assert offered(house.job, *jobs) == ["requeue_this"]
    Video.objects.update(file_gone=True)
    assert offered(house.video, *videos) == ["reassign_this"]


@pytest.mark.parametrize(
    ("permission", "done"), [("change_video", {"rename_this"}), ("delete_video", {"delete_this"})]
)
def test_each_deed_needs_its_own_permission(permission: str, done: set[str], house: House) -> None:
    client = clerk("view_video", "view_processingjob", permission)

    allowed = {
        name
        for name in ("rename_this", "delete_this", "cancel_this")
        for row in [house.job if name == "cancel_this" else house.video]
        if client.post(button(row, name), {**YES, "name": "x"}).status_code != 403
    }

    assert allowed == done


def test_a_hostile_name_is_text_in_questions_and_answers(house: House, root: Client) -> None:
    video = rows.video(house.bob, "<img src=x onerror=alert(1)>.mp4")

    pages = [
        root.get(button(video, "delete_this")).content.decode(),
        root.get(button(video, "reassign_this")).content.decode(),
        press(root, video, "restore_this"),
        root.get(changelist(Video)).content.decode(),
    ]

    assert not any("<img src=x" in page for page in pages)
    assert "nothing to do" in pages[2]
