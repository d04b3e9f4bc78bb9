"""/api/v1/jobs: a member sees how far the processing is, and on a job's own page what it found."""

import pytest

from tests.apikeys.calls import pointers
from tests.videos.library import JOBS, caller, holder, video
from videos.models import ProcessingStep, StepState
from videos.services.jobs import cancel_open, create_job

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice():
    return holder()


def ids(answer):
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def test_progress_is_that_of_all_steps_and_results_are_on_a_jobs_own_page(alice):
    made = create_job(video(alice), ["asr", "ocr"])
    steps = ProcessingStep.objects.filter(job=made)
    steps.filter(processor="asr").update(
        state=StepState.DONE, progress=99, result={"text": "hello"}, worker="w1",
        artefacts=["https://files.example.org/a.srt"], last_error="/srv/model.bin",
    )  # fmt: skip
    steps.filter(processor="ocr").update(progress=31)
    me = caller(alice)

    listed = me.get(JOBS).json()["results"][0]
    shown = me.get(f"{JOBS}/{made.pk}").json()

    assert (listed["id"], listed["progress"], shown["progress"]) == (str(made.pk), 65, 65)
    assert [set(step) & {"result", "artefacts"} for step in listed["steps"]] == [set(), set()]
    assert shown["steps"][0]["result"] == {"text": "hello"}
    assert shown["steps"][0]["artefacts"] == ["https://files.example.org/a.srt"]
    for step in (*listed["steps"], *shown["steps"]):
        assert not set(step) & {"worker", "last_error", "lease", "leased_until"}


def test_filters(alice):
    first, second = video(alice, "a"), video(alice, "b")
    cancel_open(second, "test")
    third = create_job(first, ["ocr"])
    of_first, of_second = first.jobs.exclude(pk=third.pk).get().pk, second.jobs.get().pk
    me = caller(alice)

    def found(query):
        return ids(me.get(f"{JOBS}?{query}"))

    assert found("") == [str(each) for each in (third.pk, of_second, of_first)]
    assert found("state=cancelled") == [str(of_second)]
    assert found(f"video={first.pk}&processor=asr") == [str(of_first)]
    assert found("processor=ocr&ordering=created_at&page_size=2") == [str(of_first), str(of_second)]
    assert found("created_after=2999-01-01") == found("created_before=2001-01-01") == []


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("state=odd", "?state"), ("processor=odd", "?processor"), ("video=1", "?video"),
        ("ordering=state", "?ordering"), ("owner=1", "?owner"), ("result=x", "?result"),
        ("steps__lease=x", "?steps__lease"), ("state=done&state=failed", "?state"),
    ],
)  # fmt: skip
def test_what_is_no_filter_is_refused(alice, query, pointer):
    assert pointers(caller(alice).get(f"{JOBS}?{query}")) == [pointer]
