"""Pages of other people's models in our theme and under our rules; the dashboard's template."""

from typing import Any

from django.contrib import admin
from django.contrib.auth import admin as auth
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django_celery_beat import admin as beat
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from momentry.common.staff import StaffAdmin

SCHEDULES = (ClockedSchedule, CrontabSchedule, IntervalSchedule, SolarSchedule)
# Beat's own actions ask for no permission at all.
TASK_ACTIONS = ("enable_tasks", "disable_tasks", "toggle_tasks", "run_tasks")


class TaskSelect(UnfoldAdminSelectWidget, beat.TaskSelectWidget):  # type: ignore[misc]  # untyped package
    """Registered tasks, in our theme."""


class TaskForm(beat.PeriodicTaskForm):  # type: ignore[misc]  # untyped package
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "regtask" in self.fields:
            self.fields["task"].widget = UnfoldAdminTextInputWidget()
            self.fields["regtask"].widget = TaskSelect()


class TaskAdmin(beat.PeriodicTaskAdmin, StaffAdmin[PeriodicTask]):  # type: ignore[misc]  # untyped package
    form = TaskForm
    date_hierarchy = None
    list_filter = ["enabled", "one_off", "last_run_at"]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        if not self.has_change_permission(request):
            return {}
        offered = [self.get_action(name) for name in TASK_ACTIONS]
        return {found[1]: found for found in offered if found is not None}


class ScheduleAdmin(StaffAdmin[Any]):
    """Plain forms; the tasks that use a schedule name it themselves."""


class CrontabAdmin(ScheduleAdmin):
    list_display = ["__str__", "human_readable"]
    fields = ["human_readable", ("minute", "hour"), ("day_of_month", "month_of_year"),
              "day_of_week", "timezone"]  # fmt: skip
    readonly_fields = ["human_readable"]


class GroupAdmin(auth.GroupAdmin, StaffAdmin[Group]):
    """Rights of staff. Only superusers change them: anybody else could widen their own."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return is_superuser(request)


def is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False)) and request.user.is_active


def register() -> None:
    """Both packages registered their own pages before this app's admin was loaded."""
    admin.site.unregister([Group, PeriodicTask, *SCHEDULES])
    admin.site.register(Group, GroupAdmin)
    admin.site.register(PeriodicTask, TaskAdmin)
    for model in SCHEDULES:
        page = CrontabAdmin if model is CrontabSchedule else ScheduleAdmin
        admin.site.register(model, page)
    admin.site.index_template = "staff/dashboard.html"


register()
