"""For the member page (members.py): ways out of a conflict and a deletion, and to a password."""

from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html_join
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.models import LIVE, Status, User
from apikeys.admin.limits import show_faults
from apikeys.models import KeyType
from momentry.common.errors import MomentryError
from momentry.common.staff import DENIED, StaffAdmin, actor_of, button, column, link_to
from provisioning.admin.deeds import CHANGE, DELETE, PASSWORD_LINK, RESOLVE, RESTORE
from provisioning.admin.keys import show_link
from provisioning.services import members, tasks
from provisioning.services.claims import make_password_claim
from provisioning.services.passwords import can_set_password

RENAME = "WordPress keeps its own name and address; these hold here until it changes them."
MERGE = (
    "Only if both are the same person: the WordPress user becomes that of the member you choose, "
    "who keeps keys, limits and files. This row is erased, its keys are revoked. For good."
)


# For the page's fieldsets.
STATE: list[str | list[str] | tuple[str, ...] | tuple[()]] = [
    ("state", "status_reason"), ("rivals", "systems"), ("created_at", "purge"), "last_login",
]  # fmt: skip


class RenameForm(forms.Form):
    username = forms.CharField(max_length=60, widget=UnfoldAdminTextInputWidget)
    email = forms.EmailField(max_length=100, required=False, widget=UnfoldAdminEmailInputWidget)


class MergeForm(forms.Form):
    into = forms.ModelChoiceField(
        User.objects.none(), label="The same person as", widget=UnfoldAdminSelectWidget
    )

    def __init__(self, *args: Any, choices: QuerySet[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["into"]
        field.queryset = choices


def rivals_of(member: User) -> QuerySet[User]:
    """Who has its name or its address."""
    same = Q(username__iexact=member.username)
    if member.email:
        same |= Q(email__iexact=member.email)
    return User.objects.filter(same, status__in=LIVE).exclude(pk=member.pk)


class MemberConflicts(StaffAdmin[User]):
    @column("in conflict with")
    def rivals(self, obj: User) -> str:
        if obj.status != Status.PENDING:
            return "-"
        found = ((link_to("accounts_user", row.pk, row.username),) for row in rivals_of(obj))
        return format_html_join(" · ", "{}", found) or "nobody any more: look again"

    @column("other systems")
    def systems(self, obj: User) -> str:
        return "up to date" if tasks.is_done(obj) else "waiting"

    @column("purge")
    def purge(self, obj: User) -> datetime | str:
        """When the personal data goes, or went."""
        if obj.purged_at is not None:
            return obj.purged_at
        if obj.status != Status.DELETED:
            return "-"
        return (obj.deleted_at or obj.updated_at) + settings.MEMBER_PURGE_AFTER

    @button("Look again", CHANGE, icon="refresh")
    def resolve_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.carry_out_one(request, object_id, RESOLVE)

    @button("Restore", DELETE, icon="restore_from_trash")
    def restore_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.carry_out_one(request, object_id, RESTORE)

    @button("Rename", CHANGE, icon="edit")
    def rename_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        member = self.judged(request, object_id)
        start = {"username": member.username, "email": member.email}
        form = RenameForm(request.POST or None, initial=start)

        def rename() -> None:
            members.rename_member(member, form.cleaned_data, actor=actor_of(request))

        return self.decide(request, member, form, ("Rename", f"{member}. {RENAME}"), rename)

    @button("Merge", CHANGE, icon="merge")
    def merge_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        member = self.judged(request, object_id)
        form = MergeForm(request.POST or None, choices=rivals_of(member))

        def merge() -> None:
            into = form.cleaned_data["into"]
            if not self.allows(request, into):
                raise PermissionDenied(DENIED)
            members.merge_member(member, into, actor=actor_of(request))

        return self.decide(request, member, form, ("Merge", f"{member}. {MERGE}"), merge)

    @button("SFTP password link", CHANGE, icon="link")
    def password_link_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """For who left the password for later. The link is in the answer and nowhere else."""
        member = self.judged(request, object_id)
        key = member.api_keys.filter(key_type=KeyType.USER).order_by("-created_at").first()
        if key is None or not can_set_password(member):
            self.message_user(request, "There is no SFTP account, or no key.", messages.ERROR)
            return self.back_to(member)
        if request.method != "POST":
            return self.ask(request, [member], PASSWORD_LINK)
        link = make_password_claim(key, actor=actor_of(request))
        lead = f"Whoever opens this link sets the SFTP password of {member}."
        return show_link(self, request, link, lead)

    def judged(self, request: HttpRequest, object_id: str) -> User:
        """A member whom this staff user may change; staff have no such names."""
        member = self.one(request, object_id)
        if member.is_staff:
            raise Http404
        if not (self.has_view_permission(request, member) and self.allows(request, member)):
            raise PermissionDenied(DENIED)
        return member

    def decide(
        self, request: HttpRequest, member: User, form: forms.Form, said: tuple[str, str], do: Any
    ) -> HttpResponse:
        """GET asks; POST does it, or says at the form why not."""
        title, lead = said
        if request.method == "POST" and form.is_valid():
            try:
                do()
            except MomentryError as error:
                show_faults(form, error)
            else:
                self.message_user(request, f"{title}: done.", messages.SUCCESS)
                return self.back_to(member)
        back = reverse("admin:accounts_user_change", args=[member.pk])
        context = {"form": form, "lead": lead, "back": back}
        return self.page(request, "staff/keyform.html", title, context)
