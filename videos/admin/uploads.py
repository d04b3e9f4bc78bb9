"""Room kept for files that are on their way: read-only, it ends by itself."""

from typing import Final

from django.contrib import admin
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html

from momentry.common.staff import BLUE, GREEN, ORANGE, column, link_to
from videos.admin.owned import OwnedAdmin, OwnerFilter
from videos.admin.shown import GREY, short
from videos.models import Upload, UploadState

COLOURS: Final = {
    UploadState.OPEN: BLUE, UploadState.COMMITTED: GREEN, UploadState.RELEASED: GREY,
    UploadState.EXPIRED: ORANGE,
}  # fmt: skip


@admin.register(Upload)
class UploadAdmin(OwnedAdmin[Upload]):
    list_display = ["created_at", "file", "who", "bytes", "status", "expires_at", "ended_at"]
    list_filter = ["state", OwnerFilter]
    list_select_related = ["owner", "video"]
    search_help_text = "A member's whole username, or the whole id of an upload or a member."
    fields = [
        ("who", "status"), "path", ("bytes", "of_video"),
        ("created_at", "expires_at", "ended_at"),
    ]  # fmt: skip

    @column("path")
    def file(self, obj: Upload) -> str:
        return format_html('<span title="{}">{}</span>', obj.path, short(obj.path))

    @column("size")
    def bytes(self, obj: Upload) -> str:
        return format_html('<span title="{} bytes">{}</span>', obj.size, filesizeformat(obj.size))

    @column("state", badge=COLOURS)
    def status(self, obj: Upload) -> str:
        return obj.state

    @column("video")
    def of_video(self, obj: Upload) -> str:
        return link_to("videos_video", obj.video_id, obj.video.name) if obj.video else "-"
