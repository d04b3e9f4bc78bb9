"""The pages of scheduled work: what there is and how it goes, when it runs, and each run."""

from typing import Any, Final

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django_celery_beat import admin as beat
from django_celery_beat.models import PeriodicTask
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from events.kinds import Kind
from momentry.celery import app
from momentry.common.jobmodels import JobRun, Outcome
from momentry.common.staff import ReadOnlyAdmin, column, link_to_list
from momentry.joblook import (
    BADGES,
    Look,
    looks_of,
    seconds_in_words,
    span,
    strip,
    two_lines,
    what_it_does,
)
from momentry.recorded import Recorded, note, note_changed

SCHEDULED: Final = (Kind.SCHEDULE_CREATED, Kind.SCHEDULE_UPDATED, Kind.SCHEDULE_DELETED)
# Beat's own actions ask for no permission at all.
TASK_ACTIONS: Final = ("enable_tasks", "disable_tasks", "toggle_tasks", "run_tasks")
RUNS: Final = "common_jobrun"


class TaskSelect(UnfoldAdminSelectWidget, beat.TaskSelectWidget):  # type: ignore[misc]  # untyped package
    """Registered tasks, in our theme."""


class TaskForm(beat.PeriodicTaskForm):  # type: ignore[misc]  # untyped package
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "regtask" in self.fields:
            self.fields["task"].widget = UnfoldAdminTextInputWidget()
            self.fields["regtask"].widget = TaskSelect()


class TaskList(ChangeList):
    """Reads how the shown ones go, once for the page."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows: list[Any] = list(self.result_list)
        looks = looks_of(row.name for row in rows)
        for row in rows:
            row.look = looks.get(row.name)


class TaskAdmin(beat.PeriodicTaskAdmin, Recorded[PeriodicTask]):  # type: ignore[misc]  # untyped package
    kinds = SCHEDULED
    celery_app = app  # the package's own is none of ours until somebody has loaded ours
    form = TaskForm
    date_hierarchy = None
    list_display = ["entry", "when", "state", "last_run", "next_run", "latest", "enabled"]
    list_filter = ["enabled", "one_off"]
    ordering = ["name"]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return TaskList

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        if not self.has_change_permission(request):
            return {}
        offered = [self.get_action(name) for name in TASK_ACTIONS]
        return {found[1]: found for found in offered if found is not None}

    @transaction.atomic
    def response_action(
        self, request: HttpRequest, queryset: Any, *place: Any, **named: Any
    ) -> Any:
        """Beat's own actions write without a form."""
        before = dict(PeriodicTask.objects.values_list("pk", "enabled"))
        response = super().response_action(request, queryset, *place, **named)
        for row in PeriodicTask.objects.filter(pk__in=before).order_by("pk"):
            note_changed(SCHEDULED[1], row, request, {"enabled": before[row.pk]})
        return response

    @admin.action(description=beat.PeriodicTaskAdmin.run_tasks.short_description)
    def run_tasks(self, request: HttpRequest, queryset: Any) -> None:
        """All of them or, where one names no task, none. What cannot be recorded is not sent."""
        self.celery_app.loader.import_default_modules()
        if all(row.task in self.celery_app.tasks for row in queryset):
            for row in queryset:
                note(Kind.SCHEDULE_RUN, row, request, task=row.task)
        super().run_tasks(request, queryset)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Under its name an entry of ours is found again at the next start."""
        fixed = ["name"] if is_ours(obj) else []
        return [*super().get_readonly_fields(request, obj), *fixed]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """One of ours would come again at the next start: it is switched off instead."""
        return not is_ours(obj) and bool(super().has_delete_permission(request, obj))

    @column("work", order="name")
    def entry(self, obj: Any) -> SafeString:
        return two_lines(obj.name, what_it_does(obj.task), title=obj.task)

    @column("when")
    def when(self, obj: Any) -> str:
        crontab = obj.crontab
        return crontab.human_readable if crontab else str(obj.scheduler)

    @column("state", badge=BADGES)
    def state(self, obj: Any) -> str:
        if not obj.enabled:
            return "off"
        look: Look | None = obj.look
        return look.state(timezone.now()) if look else "never yet"

    @column("last run")
    def last_run(self, obj: Any) -> SafeString | str:
        look: Look | None = obj.look
        job = look.job if look else None
        began = job.last_began_at if job else None
        if job is None or began is None:
            return "-"
        text = f"{span(timezone.now() - began)} ago, {seconds_in_words(job.last_seconds)}"
        return two_lines(text, job.last_said, title=f"{began:%Y-%m-%d %H:%M:%S} UTC")

    @column("next run")
    def next_run(self, obj: Any) -> SafeString | str:
        look: Look | None = obj.look
        due = look.job.next_due_at if look and obj.enabled else None
        if due is None:
            return "-"
        left = due - timezone.now()
        text = f"in {span(left)}" if left.total_seconds() > 0 else f"{span(-left)} ago"
        return two_lines(text, f"{due:%Y-%m-%d %H:%M}")

    @column("latest runs")
    def latest(self, obj: Any) -> SafeString | str:
        look: Look | None = obj.look
        if look is None or not look.runs:
            return "-"
        return link_to_list(RUNS, f"job={obj.name}", strip(look.runs))


def is_ours(row: Any) -> bool:
    return row is not None and row.name in settings.CELERY_BEAT_SCHEDULE


class JobFilter(admin.SimpleListFilter):
    title = "work"
    parameter_name = "job"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = PeriodicTask.objects.order_by("name").values_list("name", flat=True)
        return [(name, name) for name in names]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(job=self.value()) if self.value() else queryset


class JobRunAdmin(ReadOnlyAdmin[JobRun]):
    list_display = ["due", "job", "state", "took", "said", "tries", "started_at"]
    list_filter = [JobFilter, "outcome"]
    ordering = ["-id"]
    sortable_by = ()
    paginator = InfinitePaginator
    show_full_result_count = False
    fields = [
        ("job", "state"), ("due", "sent_at", "sends"), ("started_at", "ended_at", "took"),
        "said", ("tries", "leased_until"), ("task", "message", "worker"),
    ]  # fmt: skip

    @column("due")
    def due(self, obj: JobRun) -> str:
        return f"{obj.due_at:%Y-%m-%d %H:%M:%S}" if obj.due_at else "by hand"

    @column("outcome", badge=BADGES)
    def state(self, obj: JobRun) -> tuple[str, str]:
        return obj.outcome, Outcome(obj.outcome).label

    @column("took")
    def took(self, obj: JobRun) -> str:
        return seconds_in_words(obj.seconds)
