"""Pages of other people's models in our theme and under our rules; the dashboard's template."""

from typing import Any

from django.contrib import admin
from django.contrib.auth import admin as auth
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from events.kinds import Kind
from momentry.common.jobmodels import JobRun
from momentry.jobpages import SCHEDULED, JobRunAdmin, TaskAdmin
from momentry.recorded import Recorded

SCHEDULES = (ClockedSchedule, CrontabSchedule, IntervalSchedule, SolarSchedule)


class ScheduleAdmin(Recorded[Any]):
    """Plain forms; the tasks that use a schedule name it themselves. One that is used stays: the
    database would delete its tasks with it, and nothing would say so."""

    kinds = SCHEDULED

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        rows = list(objs)
        if request.method == "POST":  # nobody begins to use it meanwhile
            rows = list(self.model.objects.select_for_update().filter(pk__in=[r.pk for r in rows]))
        used = [f"scheduled task: {task}" for row in rows for task in row.periodictask_set.all()]
        return [str(row) for row in rows], {self.opts.verbose_name_plural: len(rows)}, set(), used


class CrontabAdmin(ScheduleAdmin):
    list_display = ["__str__", "human_readable"]
    fields = ["human_readable", ("minute", "hour"), ("day_of_month", "month_of_year"),
              "day_of_week", "timezone"]  # fmt: skip
    readonly_fields = ["human_readable"]


class GroupAdmin(auth.GroupAdmin, Recorded[Group]):
    """Rights of staff. Only superusers change them: anybody else could widen their own."""

    kinds = (Kind.GROUP_CREATED, Kind.GROUP_UPDATED, Kind.GROUP_DELETED)

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
    admin.site.register(JobRun, JobRunAdmin)
    for model in SCHEDULES:
        page = CrontabAdmin if model is CrontabSchedule else ScheduleAdmin
        admin.site.register(model, page)
    admin.site.index_template = "staff/dashboard.html"


register()
