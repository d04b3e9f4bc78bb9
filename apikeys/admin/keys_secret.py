"""The two pages of the admin that show a secret, once, in the answer to their own POST."""

from datetime import timedelta
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.views.decorators.debug import sensitive_variables
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from apikeys.admin.keys_deeds import maker_of, may_hand_out
from apikeys.admin.limits import show_faults
from apikeys.gate.scopes import ROLES
from apikeys.models import ApiKey, KeyTemplate, KeyType
from apikeys.services.issue import issue_key
from apikeys.services.keys import IssuedKey
from apikeys.services.rotate import rotate_key
from apikeys.services.wanted import NewKey
from momentry.common.errors import MomentryError
from momentry.common.staff import DENIED, StaffAdmin

GRACES: Final = {
    0: "none: the old secret ends now", 3_600: "1 hour", 86_400: "1 day", 604_800: "7 days",
    2_592_000: "30 days",
}  # fmt: skip
ROTATE: Final = "The key gets a new secret, shown once. Choose how long the old one works on."
ISSUE: Final = "A key for a machine. Its secret is shown once, on the next page."


class RotateForm(forms.Form):
    grace = forms.TypedChoiceField(
        choices=list(GRACES.items()),
        coerce=int,
        initial=86_400,
        label="The old secret works for",
        widget=UnfoldAdminSelectWidget,
    )


class ServiceKeyForm(forms.Form):
    name = forms.CharField(max_length=128, widget=UnfoldAdminTextInputWidget)
    service_name = forms.CharField(max_length=64, widget=UnfoldAdminTextInputWidget)
    template = forms.ModelChoiceField(
        KeyTemplate.objects.exclude(key_type=KeyType.USER),
        required=False,
        empty_label="none",
        help_text="Says what is left empty here, and bounds the rest.",
        widget=UnfoldAdminSelectWidget,
    )
    role = forms.ChoiceField(
        choices=[("", "as the template says"), *((role, role) for role in ROLES)],
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    days = forms.IntegerField(
        min_value=1,
        max_value=36_500,
        required=False,
        label="Ends after days",
        help_text="Empty is never, or as the template says.",
        widget=UnfoldAdminIntegerFieldWidget,
    )
    rotate_every_days = forms.IntegerField(
        min_value=1,
        max_value=3650,
        required=False,
        label="To be rotated every so many days",
        help_text="Empty is never, or as the template says.",
        widget=UnfoldAdminIntegerFieldWidget,
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not cleaned.get("role") and not cleaned.get("template"):
            self.add_error("role", "Choose a role, or a template that has one.")
        return cleaned


def rotate_page(page: StaffAdmin[ApiKey], request: HttpRequest, key: ApiKey) -> HttpResponse:
    """GET asks how; POST answers with the new secret."""
    if not (page.has_view_permission(request, key) and may_hand_out(request, key)):
        raise PermissionDenied(DENIED)
    form = RotateForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return ask(page, request, form, "Rotate", f"{ROTATE} {key}")
    grace = timedelta(seconds=form.cleaned_data["grace"])
    try:
        issued = rotate_key(key, maker=maker_of(request), grace=grace)
    except MomentryError as error:
        page.message_user(request, error.detail, messages.ERROR)
        return page.back_to(key)
    return show(page, request, issued)


def issue_page(page: StaffAdmin[ApiKey], request: HttpRequest) -> HttpResponse:
    """A key for a service, for superusers: its scopes may be anything."""
    if not maker_of(request).makes_services:
        raise PermissionDenied(DENIED)
    form = ServiceKeyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            return show(page, request, issue(form.cleaned_data, request))
        except ValidationError as error:
            form.add_error(None, error)
        except MomentryError as error:
            show_faults(form, error)
    return ask(page, request, form, "Issue service key", ISSUE)


def issue(given: dict[str, Any], request: HttpRequest) -> IssuedKey:
    days, template = given["days"], given["template"]
    new = NewKey(
        template=template and template.pk,
        name=given["name"],
        service_name=given["service_name"],
        role=given["role"],
        expires_at=timezone.now() + timedelta(days=days) if days else None,
        end_given=bool(days) or template is None,
        rotate_every_days=given["rotate_every_days"],
    )
    return issue_key(new, maker=maker_of(request))


def ask(
    page: StaffAdmin[ApiKey], request: HttpRequest, form: forms.Form, title: str, lead: str
) -> HttpResponse:
    context = {"form": form, "lead": lead, "back": reverse("admin:apikeys_apikey_changelist")}
    return page.page(request, "staff/keyform.html", title, context)


@sensitive_variables("issued")
def show(page: StaffAdmin[ApiKey], request: HttpRequest, issued: IssuedKey) -> HttpResponse:
    """The only page of the admin with a secret; no cache, no history, no message keeps it."""
    back = reverse("admin:apikeys_apikey_change", args=[issued.key.pk])
    context = {"key": issued.key, "secret": issued.secret, "back": back}
    response = page.page(request, "staff/secret.html", "The key's secret", context)
    add_never_cache_headers(response)
    return response
