"""Members and staff. Adding one registers it with a key and a claim link; states are buttons."""

from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html_join
from django.views.decorators.debug import sensitive_post_parameters
from unfold.forms import AdminPasswordChangeForm

from accounts import services as accounts
from accounts.models import Status, User
from accounts.services import staff
from apikeys.admin.keys import KeyInline
from apikeys.admin.limits import MemberLimits
from apikeys.admin.refusals import RefusalsShown
from apikeys.admin.rights import GrantInline
from apikeys.models import ApiKey
from momentry.common.staff import (
    BLUE,
    DENIED,
    GREEN,
    ORANGE,
    RED,
    actor_of,
    bulk,
    button,
    column,
    link_to_list,
)
from provisioning.admin.conflicts import STATE, MemberConflicts
from provisioning.admin.deeds import (
    CHANGE,
    DELETE,
    DELETE_MEMBER,
    RESUME,
    SUSPEND,
    is_superuser,
    may_touch,
    possible,
)
from provisioning.admin.keys import show_link
from provisioning.admin.memberforms import PROFILE, RIGHTS, MemberForm, RegisterForm, save_changes
from provisioning.admin.storage import FilledFilter, MemberStorage
from provisioning.models import ClaimLink
from provisioning.services import members

COLOURS: Final = {
    Status.ACTIVE: GREEN,
    Status.PENDING: BLUE,
    Status.SUSPENDED: ORANGE,
    Status.DELETED: RED,
}

if TYPE_CHECKING:
    AccountAdmin = UserAdmin[User]
else:
    AccountAdmin = UserAdmin


@admin.register(User)
class MemberAdmin(  # type: ignore[misc]  # stubs differ in "request"
    AccountAdmin, MemberConflicts, MemberLimits, MemberStorage, RefusalsShown[User]
):
    form = MemberForm
    add_form = RegisterForm
    add_form_template = None
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "email", "state", "tier", "site", "keys", "storage", "created_at"]
    list_filter = ["status", "is_staff", "tier", "site", FilledFilter]
    list_select_related = ["site"]
    search_fields = ["username", "email", "display_name"]
    ordering = ["-id"]  # UUIDv7: the order of time, and it has an index
    filter_horizontal = []
    autocomplete_fields = ["groups"]
    inlines = [KeyInline, GrantInline]
    actions = ["suspend_selected", "resume_selected", "delete_selected_members"]
    actions_detail = [
        "resolve_this", "rename_this", "merge_this", "set_password", "limits_this", "suspend_this",
        "resume_this", "restore_this", "password_link_this", "delete_this",
    ]  # fmt: skip
    readonly_fields = [
        "state", "status_reason", "site", "wordpress_id", "storage", "created_at", "last_login",
        "links", "own_limits", "rivals", "systems", "purge",
    ]  # fmt: skip
    add_fieldsets = [
        (None, {"fields": [("username", "email"), ("display_name", "locale"), "tier", "welcome"]})
    ]
    fieldsets = [
        (None, {"fields": [("username", "email"), ("display_name", "locale"), "links"]}),
        ("State", {"fields": STATE}),
        ("Limits", {"fields": [("tier", "own_limits"), ("quota_size", "quota_daily"), "storage"]}),
        ("WordPress", {"fields": [("site", "wordpress_id")]}),
    ]
    staff_fieldset: Any = ("Staff", {"fields": [RIGHTS, "groups"]})

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Keys are counted for the rows of the page only."""
        keys = ApiKey.objects.filter(owner=OuterRef("pk"), revoked_at=None).order_by()
        count = keys.values("owner").annotate(count=Count("pk")).values("count")
        return super().get_queryset(request).annotate(key_count=Coalesce(Subquery(count), 0))

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        found = list(super().get_fieldsets(request, obj))
        if obj is not None and is_superuser(request):
            found.append(self.staff_fieldset)
        return found

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """The profile of a WordPress user is changed there; staff rename it beside WordPress."""
        found = super().get_readonly_fields(request, obj)
        return found if obj is None or obj.is_local else [*found, *PROFILE]

    def get_inlines(self, request: HttpRequest, obj: User | None) -> Any:
        return super().get_inlines(request, obj) if obj else []

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Staff are changed by superusers only; a tombstone by nobody."""
        if obj is not None and (obj.status == Status.DELETED or not may_touch(request, obj)):
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Rows stay; the Delete button makes a tombstone."""
        return False

    def allows(self, request: HttpRequest, obj: User) -> bool:
        return may_touch(request, obj) and obj.pk != request.user.pk

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Only what can be done to this member."""
        found = super().get_actions_detail(request, object_id)
        member = self.get_object(request, str(object_id))
        if member is None or not self.allows(request, member):
            return []
        return [action for action in found if action.path in possible(member)]

    def save_model(
        self, request: HttpRequest, obj: User, form: "ModelForm[User]", change: bool
    ) -> None:
        """Through the services, on a fresh row: the form's own instance is never saved."""
        assert isinstance(form, MemberForm)  # noqa: S101  a programming error otherwise
        if change:
            save_changes(User.objects.select_for_update().get(pk=obj.pk), form, actor_of(request))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The groups of staff, which the form writes by itself."""
        before = accounts.groups_of(form.instance)
        super().save_related(request, form, formsets, change)
        accounts.note_groups(form.instance, before, actor=actor_of(request))

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> User:
        """Adding is registering; ``obj`` of the rest of the view is the registered member."""
        obj: User = super().save_form(request, form, change)
        if change:
            return obj
        registered = members.register_member(
            form.profile(),
            actor=actor_of(request),
            tier=form.cleaned_data["tier"],
            welcome=form.cleaned_data["welcome"],
        )
        return registered.member

    def response_add(
        self, request: HttpRequest, obj: User, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The claim link, once, instead of the member's page."""
        link = ClaimLink.objects.select_related("key").filter(key__owner=obj).latest("created_at")
        lead = f"{obj} is registered. Whoever opens this link gets the key {link.key}."
        return show_link(self, request, link, lead)

    @method_decorator(sensitive_post_parameters())
    def user_change_password(
        self,
        request: HttpRequest,
        id: str,  # noqa: A002  Django's name for it
        form_url: str = "",
    ) -> HttpResponse:
        """Only superusers set a password, and only staff have one."""
        member = self.one(request, id)
        if not (is_superuser(request) and member.is_staff):
            raise PermissionDenied(DENIED)
        with staff.watched_password(member, request):
            return super().user_change_password(request, id, form_url)

    @column("state", badge=COLOURS, order="status")
    def state(self, obj: User) -> str:
        return obj.status

    @column("keys", order="key_count")
    def keys(self, obj: User) -> int:
        return int(getattr(obj, "key_count", 0))

    @column("see also")
    def links(self, obj: User) -> str:
        pages = (
            ("apikeys_requestlog", f"member_id__exact={obj.pk}", "calls"),
            ("events_event", f"subject__exact=member:{obj.pk.hex}", "events"),
            ("apikeys_counter", f"subject__exact=member:{obj.pk.hex}", "counters"),
            ("videos_video", f"owner={obj.pk}", "videos"),
        )
        return format_html_join(" · ", "{}", ((link_to_list(*page),) for page in pages))

    @bulk("Suspend", CHANGE)
    def suspend_selected(
        self, request: HttpRequest, queryset: QuerySet[User]
    ) -> HttpResponse | None:
        return self.carry_out(request, queryset, SUSPEND)

    @bulk("Resume", CHANGE)
    def resume_selected(
        self, request: HttpRequest, queryset: QuerySet[User]
    ) -> HttpResponse | None:
        return self.carry_out(request, queryset, RESUME)

    @bulk("Delete", DELETE)
    def delete_selected_members(
        self, request: HttpRequest, queryset: QuerySet[User]
    ) -> HttpResponse | None:
        return self.carry_out(request, queryset, DELETE_MEMBER)

    @button("Set password", CHANGE, icon="password")
    def set_password(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """To Django's own page, which has its own guard."""
        return HttpResponseRedirect(
            reverse("admin:auth_user_password_change", args=[self.one(request, object_id).pk])
        )

    @button("Suspend", CHANGE, icon="pause")
    def suspend_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.carry_out_one(request, object_id, SUSPEND)

    @button("Resume", CHANGE, icon="play_arrow")
    def resume_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.carry_out_one(request, object_id, RESUME)

    @button("Delete", DELETE, icon="delete")
    def delete_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.carry_out_one(request, object_id, DELETE_MEMBER)
