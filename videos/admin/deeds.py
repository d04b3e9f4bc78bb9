"""What staff can do to videos and jobs: each calls a service, which may refuse."""

from typing import Any, Final

from django import forms
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from accounts.models import User
from momentry.common.staff import Deed, Order
from videos.admin.filling import Form
from videos.admin.owned import member_named
from videos.models import NAME_LENGTH, ProcessingJob, Video
from videos.services import jobs, library

CHANGE: Final = "videos.change_video"
DELETE: Final = "videos.delete_video"
CHANGE_JOB: Final = "videos.change_processingjob"


class RenameForm(forms.Form):
    name = forms.CharField(max_length=NAME_LENGTH, widget=UnfoldAdminTextInputWidget)


class AnywayForm(forms.Form):
    anyway = forms.BooleanField(
        label="Also over the quota",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Count them also where they do not fit, or the member is suspended.",
    )


class ReassignForm(AnywayForm):
    """Members are too many to choose from a list."""

    owner = forms.CharField(
        label="Username of the new owner",
        required=False,
        max_length=60,
        widget=UnfoldAdminTextInputWidget,
    )
    nobody = forms.BooleanField(
        label="Nobody's from now on", required=False, widget=UnfoldBooleanSwitchWidget
    )
    field_order = ("owner", "nobody", "anyway")

    def clean_owner(self) -> User | None:
        username = self.cleaned_data["owner"]
        if not username:
            return None
        owner = member_named(username)
        if owner is None or owner.is_staff:
            raise forms.ValidationError("There is no member of this name.")
        return owner

    def clean(self) -> dict[str, Any]:
        """Nobody is chosen, never left over."""
        cleaned = super().clean() or self.cleaned_data
        if "owner" in cleaned and (cleaned["owner"] is None) is not cleaned["nobody"]:
            self.add_error("owner", "Either a member's username, or nobody's.")
        return cleaned


class PriorityForm(forms.Form):
    priority = forms.IntegerField(
        min_value=-jobs.HIGHEST,
        max_value=jobs.HIGHEST,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=f"Higher goes first; from {-jobs.HIGHEST} to {jobs.HIGHEST}.",
    )


def rename(video: Video, answers: dict[str, Any], order: Order) -> bool:
    return changes(video, library.rename_video(video.pk, answers["name"], actor=order.actor))


def reassign(video: Video, answers: dict[str, Any], order: Order) -> bool:
    owner, anyway = answers["owner"], answers["anyway"]
    return changes(video, library.reassign_video(video.pk, owner, actor=order.actor, anyway=anyway))


def restore(video: Video, answers: dict[str, Any], order: Order) -> bool:
    return changes(
        video, library.restore_video(video.pk, actor=order.actor, anyway=answers["anyway"])
    )


def delete(video: Video, order: Order) -> bool:
    return library.delete_video(video.pk, actor=order.actor)


def changes(before: Video, after: Video) -> bool:
    return before.version != after.version


def cancel(job: ProcessingJob, order: Order) -> bool:
    return bool(jobs.cancel_open(job, order.actor))


def requeue(job: ProcessingJob, order: Order) -> bool:
    return bool(jobs.requeue(job, order.actor))


def set_priority(job: ProcessingJob, answers: dict[str, Any], order: Order) -> bool:
    jobs.set_priority(job, answers["priority"], order.actor)
    return bool(job.priority != answers["priority"])


RENAME: Final = Form(
    "Rename", "Renamed", "Another name to show; the file keeps its own.", CHANGE, RenameForm, rename
)
REASSIGN: Final = Form(
    "Reassign", "Reassigned",
    "These videos and their jobs get another owner, in whose storage their bytes count from then "
    "on. The files stay where they are:",
    CHANGE, ReassignForm, reassign,
)  # fmt: skip
RESTORE: Final = Form(
    "Restore", "Restored",
    "Their bytes count again, and what was called off by the deletion is queued anew:",
    DELETE, AnywayForm, restore,
)  # fmt: skip
DELETE_VIDEO: Final = Deed(
    "Delete", "Deleted",
    "Their space is free at once and open steps are called off. Until the purge they can be "
    "restored; the files themselves stay:",
    DELETE, delete,
)  # fmt: skip
CANCEL: Final = Deed(
    "Cancel", "Cancelled", "Steps of these jobs that have not ended are called off:", CHANGE_JOB,
    cancel,
)  # fmt: skip
REQUEUE: Final = Deed(
    "Requeue", "Queued again",
    "Steps of these jobs that are dead or were called off wait again, with all their attempts:",
    CHANGE_JOB, requeue,
)  # fmt: skip
PRIORITY: Final = Form(
    "Set priority", "Set", "Workers take jobs of a higher priority first; what runs goes on:",
    CHANGE_JOB, PriorityForm, set_priority,
)  # fmt: skip
