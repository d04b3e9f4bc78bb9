"""Key templates as staff edit them; the services say at which field a template is at fault."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.postgres.fields import ArrayField
from django.db.models import Count, JSONField, QuerySet
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from apikeys.admin.keys_deeds import maker_of
from apikeys.admin.limits import show_faults
from apikeys.admin.refusals import RefusalsShown
from apikeys.models import KeyTemplate, RequestLimit
from apikeys.services.makers import Maker, system
from apikeys.services.templates import check_maker, check_template, delete_template, save_template
from momentry.common.errors import MomentryError
from momentry.common.staff import StaffAdmin, column, link_to_list

if TYPE_CHECKING:
    Form = forms.ModelForm[KeyTemplate]
else:
    Form = forms.ModelForm

NAMES = ", ".join(RequestLimit.values)
HELP = {
    "role": "For keys of services: metrics, validator or issuer; admin for admin keys.",
    "scopes": "Separated by commas. Empty: what is usual.",
    "limits": f'Such as {{"requests_per_day": 500}}; null is unlimited. Names: {NAMES}.',
    "max_limits": 'Such as {"requests_per_day": 1000}.',
    "max_scopes": "Separated by commas. No key holds others; empty is no bound.",
    "grants": 'Such as [{"upstream": "llm", "methods": ["POST"], "paths": ["/v1/"]}].',
}
EMPTY = {"metadata": dict, "limits": dict, "grants": list, "max_limits": dict}


class TemplateForm(Form):
    maker: Maker = system("")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, text in HELP.items():
            if name in self.fields:
                self.fields[name].help_text = text

    def clean(self) -> dict[str, Any]:
        """Judged as REST judges it, on a row that is never saved."""
        cleaned = super().clean() or self.cleaned_data
        for name, kind in EMPTY.items():
            if cleaned.get(name) is None and name not in self.errors:
                cleaned[name] = kind()
        if isinstance(cleaned.get("grants"), list):
            cleaned["grants"] = [whole(row) for row in cleaned["grants"]]
        if not self.errors:
            self.judge(KeyTemplate(**{"slug": self.instance.pk, **cleaned}))
        return cleaned

    def judge(self, template: KeyTemplate) -> None:
        try:
            check_template(template)
            check_maker(template, self.maker)
        except MomentryError as error:
            show_faults(self, error)
        self.cleaned_data |= {"scopes": template.scopes, "max_scopes": template.max_scopes}


def whole(grant: Any) -> Any:
    """Methods and paths may be left out, as in the API."""
    return {"methods": [], "paths": [], "models": [], **grant} if isinstance(grant, dict) else grant


@admin.register(KeyTemplate)
class KeyTemplateAdmin(RefusalsShown[KeyTemplate], StaffAdmin[KeyTemplate]):
    form = TemplateForm
    list_display = ["slug", "description", "key_type", "role", "tier", "days", "bounds", "keys"]
    list_filter = ["key_type"]
    list_select_related = ["tier"]
    search_fields = ["slug", "description"]
    formfield_overrides = {
        ArrayField: {"widget": UnfoldAdminTextInputWidget},
        JSONField: {"widget": UnfoldAdminTextareaWidget(attrs={"rows": 3})},
    }
    fieldsets = [
        (None, {"fields": ["slug", "description", ("key_type", "role")]}),
        (
            "Defaults: what a request leaves out",
            {"fields": ["scopes", "tier", ("expires_in_days", "rotate_every_days"),
                        "allowed_networks", "limits", "grants", "metadata"]},
        ),
        (
            "Bounds: how far a key may go, when it is made and later",
            {"fields": ["max_scopes", "max_days", "max_limits"]},
        ),
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[KeyTemplate]:
        return super().get_queryset(request).annotate(made=Count("keys"))

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        made: Any = super().get_form(request, obj, change, **kwargs)
        made.maker = maker_of(request)
        return made

    def get_readonly_fields(self, request: HttpRequest, obj: KeyTemplate | None = None) -> Any:
        """Keys remember the slug."""
        return ["slug"] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: KeyTemplate | None = None) -> bool:
        """Not while there are keys that it binds."""
        if obj is not None and obj.keys.exists():
            return False
        return super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: KeyTemplate, form: Any, change: bool) -> None:
        save_template(obj, maker=maker_of(request))

    def delete_model(self, request: HttpRequest, obj: KeyTemplate) -> None:
        delete_template(obj, maker=maker_of(request))

    @column("ends after days")
    def days(self, obj: KeyTemplate) -> str:
        most = "" if obj.max_days is None else f", at most {obj.max_days}"
        return f"{obj.expires_in_days or 'as its tier says'}{most}"

    @column("bounds")
    def bounds(self, obj: KeyTemplate) -> str:
        names = ["scopes"] * bool(obj.max_scopes) + ["life"] * bool(obj.max_days)
        return ", ".join([*names, *sorted(obj.max_limits)]).replace("_", " ") or "none"

    @column("keys", order="made")
    def keys(self, obj: KeyTemplate) -> str:
        return link_to_list(
            "apikeys_apikey", f"template__exact={obj.pk}", str(getattr(obj, "made", 0))
        )
