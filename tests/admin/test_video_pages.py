"""Videos, jobs and uploads in the admin: shown as they are, escaped, found, cheaply."""

from typing import Any

import pytest
from django.db.models import Model
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries

from tests import make
from tests.admin.conftest import House
from tests.admin.pages import change, changelist
from tests.videos import rows
from videos.admin import videos
from videos.models import JobState, ProcessingJob, StepState, Upload, Video

HOSTILE = "<img src=x onerror=alert(1)>.mp4"
SCRIPT = "<script>alert(1)</script>"
PAGES: list[type[Model]] = [Video, ProcessingJob, Upload]


def text(client: Client, url: str, query: str = "") -> str:
    answer = client.get(f"{url}?{query}" if query else url)
    assert answer.status_code == 200
    return answer.content.decode()


def shown(client: Client, model: type[Model], query: str) -> set[Any]:
    answer = client.get(f"{changelist(model)}?{query}")
    assert answer.status_code == 200
    return {row.pk for row in answer.context["cl"].result_list}


def test_a_video_is_shown_with_owner_size_and_the_state_of_its_newest_job(
    house: House, root: Client
) -> None:
    ProcessingJob.objects.filter(pk=house.job.pk).update(state=JobState.DONE)
    rows.job(house.video, state=JobState.FAILED)

    page = text(root, changelist(Video))

    assert all(word in page for word in (house.video.name, "bob", "1.0\xa0MB", "failed"))
    assert ">done<" not in page.replace("\n", "").replace(" ", "")


def test_a_video_whose_file_is_gone_too_says_so(house: House, root: Client) -> None:
    rows.video(house.bob, "gone.mp4", deleted_at=house.video.created_at, file_gone=True)

    assert "file gone" in text(root, changelist(Video))


@pytest.mark.parametrize("model", PAGES)
def test_what_members_and_workers_write_is_text(
    model: type[Model], house: House, root: Client
) -> None:
    video = rows.video(house.bob, HOSTILE, location=SCRIPT)
    job = rows.job(video)
    rows.step(
        job, "asr", state=StepState.DEAD, last_error=SCRIPT, worker=SCRIPT,
        result={SCRIPT: SCRIPT}, artefacts=["javascript:alert(1)", f"https://a.example/{SCRIPT}"],
    )  # fmt: skip
    upload = rows.upload(house.bob, path=f"/{HOSTILE}", video=video)
    row = {Video: video, ProcessingJob: job, Upload: upload}[model]

    pages = text(root, changelist(model)) + text(root, change(model, row.pk))

    assert "onerror=alert(1)&gt;" in pages
    assert "<img src=x" not in pages
    assert SCRIPT not in pages
    assert 'href="javascript' not in pages


def test_a_job_shows_each_step_with_progress_attempts_error_and_result(
    house: House, root: Client
) -> None:
    rows.step(house.job, "asr", state=StepState.DONE, result={"words": 12}, attempts=1)
    rows.step(house.job, "cut", state=StepState.RUNNING, progress=40, worker="gpu-1")
    rows.step(house.job, "yolo", state=StepState.DEAD, attempts=5, last_error="out of memory")
    rows.step(house.job, "ocr", artefacts=["https://files.example.org/o.json"])

    page = text(root, change(ProcessingJob, house.job.pk))

    for word in ("&quot;words&quot;: 12", "40 %", "gpu-1", "out of memory", "1 of 6 done"):
        assert word in page
    assert 'href="https://files.example.org/o.json"' in page


def test_a_long_result_is_cut(house: House, root: Client) -> None:
    rows.step(house.job, "asr", state=StepState.DONE, result={"text": "x" * 500_000})

    page = text(root, change(ProcessingJob, house.job.pk))

    assert 3_900 < page.count("x" * 10) * 10 < 10_000
    assert "488.3\xa0KB" in page


def test_videos_are_filtered_by_state_owner_and_source(house: House, root: Client) -> None:
    over = rows.video(house.bob, over_quota=True, source="sftpgo")
    gone = rows.video(house.alice, deleted_at=timezone.now())
    nobodys = rows.video(None, location="/data/x/a.mp4", source="import")
    expected = {
        "state=over+quota": {over.pk}, "state=deleted": {gone.pk},
        "state=here": {house.video.pk, over.pk, nobodys.pk}, "owner=nobody": {nobodys.pk},
        f"owner={house.bob.pk}": {house.video.pk, over.pk}, "source__exact=import": {nobodys.pk},
        "owner=nonsense": set(), "state=nonsense": {v.pk for v in Video.objects.all()},
    }  # fmt: skip

    assert {query: shown(root, Video, query) for query in expected} == expected


def test_rows_are_found_by_their_owner_and_ids(house: House, root: Client) -> None:
    other = rows.video(house.alice, "other.mp4")
    job = rows.job(other)
    expected = {
        (Video, "q=BOB"): {house.video.pk}, (Video, f"q={other.pk}"): {other.pk},
        (Video, f"q={house.alice.pk.hex}"): {other.pk}, (Video, "q=ther.m"): {other.pk},
        (Video, "q=bo"): set(), (ProcessingJob, "q=alice"): {job.pk},
        (ProcessingJob, f"q={house.video.pk}"): {house.job.pk},
        (ProcessingJob, "q=ther.m"): set(), (Upload, "q=bob"): {house.upload.pk},
        (Upload, "q=alice"): set(),
    }  # fmt: skip

    assert {asked: shown(root, *asked) for asked in expected} == expected


def test_a_part_of_a_name_is_sought_among_the_newest_only(
    house: House, root: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(videos, "SEARCHED", 2)
    newest = [rows.video(house.bob, f"same {number}.mp4").pk for number in range(3)][1:]

    assert shown(root, Video, "q=same") == set(newest)


@pytest.mark.parametrize(("model", "most"), [(Video, 4), (ProcessingJob, 4), (Upload, 3)])
def test_a_list_reads_as_many_statements_for_fifty_rows_as_for_one_and_counts_none(
    model: type[Model], most: int, house: House, root: Client,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:  # fmt: skip
    root.get(changelist(model))
    for number in range(50):
        owner = make.member(f"member{number}")
        rows.job(rows.video(owner))
        rows.upload(owner)

    with django_assert_num_queries(most) as found:
        answer = root.get(changelist(model))

    assert len(answer.context["cl"].result_list) == 50
    assert not any("COUNT(" in query["sql"] for query in found.captured_queries)


def test_no_list_and_no_job_reads_whole_results(
    house: House, root: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(20) as found:
        root.get(changelist(ProcessingJob))
        root.get(change(ProcessingJob, house.job.pk))

    assert not any('"videos_processingstep"."result",' in q["sql"] for q in found.captured_queries)
