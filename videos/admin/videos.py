"""Videos: whose they are, what they take, and what became of their newest job."""

from typing import Any, Final

from django.contrib import admin
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html, format_html_join

from momentry.common.bars import progress_bar
from momentry.common.staff import GREEN, ORANGE, RED, bulk, button, column, link_to, link_to_list
from videos.admin.deeds import CHANGE, DELETE, DELETE_VIDEO, REASSIGN, RENAME, RESTORE
from videos.admin.filling import fill_in, fill_in_one
from videos.admin.owned import OwnedAdmin, OwnerFilter
from videos.admin.shown import JOB_COLOURS, short
from videos.models import ProcessingJob, Video

SEARCHED: Final = 10_000
JOBS_SHOWN: Final = 10
DELETED, OVER, HERE, NO_FILE = "deleted", "over quota", "here", "file gone"
STATES: Final = {
    HERE: Q(deleted_at=None), OVER: Q(over_quota=True, deleted_at=None),
    DELETED: Q(deleted_at__isnull=False),
}  # fmt: skip
COLOURS: Final = {HERE: GREEN, OVER: ORANGE, DELETED: RED, NO_FILE: RED}


def state_of(video: Video) -> str:
    if video.deleted_at is not None:
        return NO_FILE if video.file_gone else DELETED
    return OVER if video.over_quota else HERE


def possible(video: Video) -> set[str]:
    """Names of the buttons that could do something to this video."""
    if video.deleted_at is None:
        return {"rename_this", "reassign_this", "delete_this"}
    return {"reassign_this"} if video.file_gone else {"reassign_this", "restore_this"}


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state, state) for state in STATES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        condition = STATES.get(self.value() or "")
        return queryset.filter(condition) if condition is not None else queryset


@admin.register(Video)
class VideoAdmin(OwnedAdmin[Video]):
    list_display = ["title", "who", "bytes", "state", "newest_job", "source", "created_at"]
    list_filter = [StateFilter, OwnerFilter, "source"]
    search_help_text = (
        "A member's whole username, the whole id of a video or a member, or a part of a name or "
        f"path among the newest {SEARCHED:,}."
    )
    actions = ["reassign_selected", "delete_selected_videos", "restore_selected"]
    actions_detail = ["rename_this", "reassign_this", "restore_this", "delete_this"]
    fieldsets = [
        (None, {"fields": [("name", "state"), "path", ("who", "links")]}),
        ("File", {"fields": ["location", ("bytes", "source"), ("sha256", "hashed")]}),
        ("Jobs", {"fields": ["jobs"]}),
        ("Times", {"fields": [("created_at", "updated_at", "deleted_at")]}),
    ]

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Only what can be done to this video."""
        found = super().get_actions_detail(request, object_id)
        video = self.get_object(request, str(object_id))
        names = possible(video) if video else set()
        return [action for action in found if action.path in names]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Video]:
        """The newest job is looked up for the rows of the page only, not for those before them."""
        jobs = ProcessingJob.objects.order_by("video_id", "-created_at", "-id").distinct("video_id")
        newest = Prefetch("jobs", jobs.only("video_id", "state"), to_attr="newest_jobs")
        return super().get_queryset(request).prefetch_related(newest)

    def with_text(self, queryset: QuerySet[Video], text: str) -> QuerySet[Video]:
        """No index finds a part of a text: so not in all rows."""
        newest = Video.objects.order_by("-created_at", "-id").values("pk")[:SEARCHED]
        found = Q(name__icontains=text) | Q(path__icontains=text)
        return queryset.filter(found, pk__in=newest)

    @column("name")
    def title(self, obj: Video) -> str:
        return format_html('<span title="{}">{}</span>', obj.path, short(obj.name))

    @column("size")
    def bytes(self, obj: Video) -> str:
        return format_html('<span title="{} bytes">{}</span>', obj.size, filesizeformat(obj.size))

    @column("state", badge=COLOURS)
    def state(self, obj: Video) -> str:
        return state_of(obj)

    @column("newest job", badge=JOB_COLOURS)
    def newest_job(self, obj: Video) -> str:
        found: list[ProcessingJob] = getattr(obj, "newest_jobs", [])
        return found[0].state if found else "-"

    @column("read for its digest")
    def hashed(self, obj: Video) -> Any:
        if obj.hashed_at is not None:
            return obj.hashed_at
        if not obj.hashed_bytes:
            return "-"
        share = 100 * obj.hashed_bytes / max(obj.size, obj.hashed_bytes)
        return progress_bar(share, f"{filesizeformat(obj.hashed_bytes)} so far")

    @column("newest jobs")
    def jobs(self, obj: Video) -> str:
        rows = obj.jobs.order_by("-created_at", "-id")[:JOBS_SHOWN]
        shown = (
            (link_to("videos_processingjob", job.pk, f"{job.created_at:%Y-%m-%d %H:%M}"), job.state)
            for job in rows
        )
        return format_html_join("", "<div>{}: {}</div>", shown) or "-"

    @column("see also")
    def links(self, obj: Video) -> str:
        pages = [("events_event", f"subject__exact=video:{obj.pk.hex}", "events")]
        if obj.owner_id:
            pages.append(("videos_video", f"owner={obj.owner_id}", "all of this owner"))
        return format_html_join(" · ", "{}", ((link_to_list(*page),) for page in pages))

    @bulk("Reassign", CHANGE)
    def reassign_selected(
        self, request: HttpRequest, queryset: QuerySet[Video]
    ) -> HttpResponse | None:
        return fill_in(self, request, queryset, REASSIGN)

    @bulk("Delete", DELETE)
    def delete_selected_videos(
        self, request: HttpRequest, queryset: QuerySet[Video]
    ) -> HttpResponse | None:
        return self.carry_out(request, queryset, DELETE_VIDEO)

    @bulk("Restore", DELETE)
    def restore_selected(
        self, request: HttpRequest, queryset: QuerySet[Video]
    ) -> HttpResponse | None:
        return fill_in(self, request, queryset, RESTORE)

    @button("Rename", CHANGE, icon="edit")
    def rename_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return fill_in_one(self, request, object_id, RENAME, "name")

    @button("Reassign", CHANGE, icon="move_up")
    def reassign_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return fill_in_one(self, request, object_id, REASSIGN)

    @button("Restore", DELETE, icon="restore_from_trash")
    def restore_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return fill_in_one(self, request, object_id, RESTORE)

    @button("Delete", DELETE, icon="delete")
    def delete_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.carry_out_one(request, object_id, DELETE_VIDEO)
