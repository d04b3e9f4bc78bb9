"""Jobs and their steps: how far they are, who works on them, what came of them."""

from typing import Any, Final

from django.contrib import admin
from django.db.models import Prefetch, Q, QuerySet, TextField
from django.db.models.functions import Cast, Left, Length
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.text import Truncator

from momentry.common.staff import bulk, button, column, link_to, link_to_list
from videos.admin.deeds import CANCEL, CHANGE_JOB, PRIORITY, REQUEUE
from videos.admin.filling import fill_in, fill_in_one
from videos.admin.owned import OwnedAdmin, OwnerFilter
from videos.admin.shown import JOB_COLOURS, STEP_COLOURS, job_bar, links_out, short, step_bar
from videos.models import ProcessingJob, ProcessingStep, StepState

RESULT_SHOWN: Final = 4_000
LEAN: Final = ("job_id", "processor", "state", "progress", "attempts", "last_error")

OPEN: Final = frozenset({StepState.QUEUED, StepState.RUNNING})
STOPPED: Final = frozenset({StepState.DEAD, StepState.CANCELLED})


def steps_of(job: ProcessingJob) -> QuerySet[ProcessingStep]:
    """With the beginning of each result: six of them whole may be 6 MB."""
    text = Cast("result", TextField())
    rows = ProcessingStep.objects.filter(job=job).defer("result").order_by("processor")
    return rows.annotate(shown=Left(text, RESULT_SHOWN), length=Length(text))


def possible(job: ProcessingJob) -> set[str]:
    """Names of the buttons that could do something to this job."""
    states = {step.state for step in job.steps.all()}
    found = {"cancel_this", "prioritise_this"} if states.intersection(OPEN) else set()
    return found | ({"requeue_this"} if states.intersection(STOPPED) else set())


@admin.register(ProcessingJob)
class JobAdmin(OwnedAdmin[ProcessingJob]):
    list_display = [
        "created_at", "file", "who", "status", "progress", "attempts", "error", "priority",
    ]  # fmt: skip
    list_filter = ["state", OwnerFilter]
    list_select_related = ["owner", "video"]
    search_help_text = "A member's whole username, or the whole id of a job, a video or a member."
    actions = ["requeue_selected", "cancel_selected", "prioritise_selected"]
    actions_detail = ["requeue_this", "cancel_this", "prioritise_this"]
    fieldsets = [
        (
            None,
            {"fields": [("file", "who"), ("status", "progress"), ("kind", "priority"), "links"]},
        ),
        ("Steps", {"fields": ["steps"]}),
        ("Times", {"fields": [("created_at", "updated_at", "finished_at")]}),
    ]

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Only what can be done to this job."""
        found = super().get_actions_detail(request, object_id)
        job = self.get_object(request, str(object_id))
        names = possible(job) if job else set()
        return [action for action in found if action.path in names]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProcessingJob]:
        steps = ProcessingStep.objects.only(*LEAN)
        return super().get_queryset(request).prefetch_related(Prefetch("steps", steps))

    def with_id(self, wanted: Any) -> Q:
        return super().with_id(wanted) | Q(video=wanted)

    @column("video")
    def file(self, obj: ProcessingJob) -> str:
        return link_to("videos_video", obj.video_id, short(obj.video.name))

    @column("state", badge=JOB_COLOURS)
    def status(self, obj: ProcessingJob) -> str:
        return obj.state

    @column("progress")
    def progress(self, obj: ProcessingJob) -> str:
        return job_bar(list(obj.steps.all()))

    @column("attempts")
    def attempts(self, obj: ProcessingJob) -> int:
        """Of the step that needed most."""
        return max((step.attempts for step in obj.steps.all()), default=0)

    @column("last error")
    def error(self, obj: ProcessingJob) -> str:
        found = next((step for step in obj.steps.all() if step.last_error), None)
        if found is None:
            return "-"
        text = f"{found.processor}: {found.last_error}"
        return format_html('<span title="{}">{}</span>', text, Truncator(text).chars(60))

    @column("steps")
    def steps(self, obj: ProcessingJob) -> str:
        rows = [
            {
                "step": step,
                "shade": STEP_COLOURS[StepState(step.state)],
                "bar": step_bar(step),
                "artefacts": links_out(step.artefacts),
                "cut": (getattr(step, "length", 0) or 0) > RESULT_SHOWN,
            }
            for step in steps_of(obj)
        ]
        return render_to_string("staff/steps.html", {"rows": rows, "most": RESULT_SHOWN})

    @column("see also")
    def links(self, obj: ProcessingJob) -> str:
        return link_to_list("events_event", f"subject__exact=job:{obj.pk.hex}", "events")

    @bulk("Requeue", CHANGE_JOB)
    def requeue_selected(
        self, request: HttpRequest, queryset: QuerySet[ProcessingJob]
    ) -> HttpResponse | None:
        return self.carry_out(request, queryset, REQUEUE)

    @bulk("Cancel", CHANGE_JOB)
    def cancel_selected(
        self, request: HttpRequest, queryset: QuerySet[ProcessingJob]
    ) -> HttpResponse | None:
        return self.carry_out(request, queryset, CANCEL)

    @bulk("Set priority", CHANGE_JOB)
    def prioritise_selected(
        self, request: HttpRequest, queryset: QuerySet[ProcessingJob]
    ) -> HttpResponse | None:
        return fill_in(self, request, queryset, PRIORITY)

    @button("Requeue", CHANGE_JOB, icon="replay")
    def requeue_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.carry_out_one(request, object_id, REQUEUE)

    @button("Cancel", CHANGE_JOB, icon="cancel")
    def cancel_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.carry_out_one(request, object_id, CANCEL)

    @button("Set priority", CHANGE_JOB, icon="low_priority")
    def prioritise_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return fill_in_one(self, request, object_id, PRIORITY, "priority")
