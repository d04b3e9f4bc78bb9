"""Limits of one member's or one key's own, on a page of their own behind a button."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.models import User
from apikeys.admin.keys_deeds import CHANGE, maker_of
from apikeys.models import ApiKey, RequestLimit
from apikeys.services.overrides import Overrides, overrides_of, set_member_limits
from apikeys.services.update import update_key
from apikeys.services.wanted import MAX_LIMIT
from momentry.common.errors import MomentryError
from momentry.common.staff import DENIED, StaffAdmin, button, column

UNLIMITED: Final = "unlimited"
CHANGE_MEMBER: Final = "accounts.change_user"
LEAD: Final = (
    "Instead of the tier's, from the next request on. Leave a field empty and the tier decides; "
    f"write “{UNLIMITED}” to lift it."
)


class LimitField(forms.CharField):
    """A number, the word unlimited, or nothing: then there is no override."""

    widget = UnfoldAdminTextInputWidget

    def clean(self, value: Any) -> int | str | None:
        text = str(super().clean(value)).replace(",", "").lower()
        if text in ("", UNLIMITED):
            return text
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:20]) <= MAX_LIMIT):
            raise forms.ValidationError(f"A whole number from 1, or the word {UNLIMITED}.")
        return int(text)


class LimitsForm(forms.Form):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in RequestLimit.choices:
            self.fields[name] = LimitField(label=label.capitalize(), required=False)

    def overrides(self) -> dict[str, int | None]:
        given = {name: value for name, value in self.cleaned_data.items() if value != ""}
        return {name: None if value == UNLIMITED else value for name, value in given.items()}


class MemberLimits(StaffAdmin[User]):
    """For the page of members."""

    @column("limits of their own")
    def own_limits(self, obj: User) -> str:
        return in_words(overrides_of(obj.limit_overrides.all()))

    @button("Limits", CHANGE_MEMBER, icon="speed")
    def limits_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        member = self.one(request, object_id)
        if member.is_staff:
            raise Http404
        actor = maker_of(request).actor
        return limits_page(
            self, request, member, lambda wanted: set_member_limits(member.pk, wanted, actor=actor)
        )


class KeyLimits(StaffAdmin[ApiKey]):
    """For the page of keys."""

    @column("limits of its own")
    def own_limits(self, obj: ApiKey) -> str:
        return in_words(overrides_of(obj.limit_overrides.all()))

    @button("Limits", CHANGE, icon="speed")
    def limits_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        key, maker = self.one(request, object_id), maker_of(request)
        return limits_page(
            self, request, key,
            lambda wanted: update_key(key.pk, {"limit_overrides": wanted}, maker=maker),
        )  # fmt: skip


def limits_page(
    page: StaffAdmin[Any], request: HttpRequest, row: Any, save: Callable[[Overrides], object]
) -> HttpResponse:
    """GET shows them; POST replaces them all."""
    if not (page.has_view_permission(request, row) and page.allows(request, row)):
        raise PermissionDenied(DENIED)
    form = LimitsForm(
        request.POST or None, initial=written(overrides_of(row.limit_overrides.all()))
    )
    if request.method == "POST" and form.is_valid():
        try:
            save(form.overrides())
        except MomentryError as error:
            show_faults(form, error)
        else:
            page.message_user(request, "The limits are set.", messages.SUCCESS)
            return page.back_to(row)
    name = f"admin:{page.opts.app_label}_{page.opts.model_name}_change"
    context = {"form": form, "lead": f"{row}. {LEAD}", "back": reverse(name, args=[row.pk])}
    return page.page(request, "staff/keyform.html", "Set limits", context)


def show_faults(form: forms.BaseForm, error: MomentryError) -> None:
    """A refusal of a service at the fields it is about; what is about none stands above them."""
    problems = error.extra.get("errors")
    for problem in problems or [{"pointer": "", "detail": error.detail}]:
        parts = problem["pointer"].removeprefix("#").strip("/").split("/")
        name = next((part for part in parts if part in form.fields), None)
        form.add_error(name, problem["detail"])


def written(overrides: Overrides) -> Mapping[str, str]:
    return {name: UNLIMITED if value is None else str(value) for name, value in overrides.items()}


def in_words(overrides: Overrides) -> str:
    shown = [
        f"{UNLIMITED if value is None else f'{value:,}'} {RequestLimit(name).label}"
        for name, value in overrides.items()
    ]
    return ", ".join(shown) or "none: the tier decides"
