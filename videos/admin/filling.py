"""Deeds that need more than a yes: a form above the rows, then the service for each of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from momentry.common.staff import DENIED, MOST_AT_ONCE, Deed, Order, StaffAdmin


@dataclass(frozen=True)
class Form:
    """``run`` is given the row, what was filled in, and the order."""

    title: str
    done: str
    lead: str
    permission: str
    fields: type[forms.Form]
    run: Callable[[Any, dict[str, Any], Order], bool]

    def filled(self, answers: dict[str, Any]) -> Deed:
        def run(row: Any, order: Order) -> bool:
            return self.run(row, answers, order)

        return Deed(self.title, self.done, self.lead, self.permission, run)


def fill_in(
    page: StaffAdmin[Any],
    request: HttpRequest,
    rows: QuerySet[Any] | list[Any],
    form: Form,
    initial: dict[str, Any] | None = None,
) -> HttpResponse | None:
    """Ask, or do it to each row; None returns to where they came from."""
    if not request.user.has_perm(form.permission):
        raise PermissionDenied(DENIED)
    confirmed = request.method == "POST" and request.POST.get("confirmed") == "yes"
    fields = form.fields(request.POST if confirmed else None, initial=initial)
    if confirmed and fields.is_valid():
        return page.carry_out(request, rows, form.filled(fields.cleaned_data))
    context = {
        "deed": form,
        "form": fields,
        "rows": list(rows[:MOST_AT_ONCE]),
        "action": request.POST.get("action", ""),
        "checkbox": ACTION_CHECKBOX_NAME,
        "back": reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist"),
    }
    return page.page(request, "staff/fill_in.html", form.title, context)


def fill_in_one(
    page: StaffAdmin[Any], request: HttpRequest, object_id: str, form: Form, *initial: str
) -> HttpResponse:
    """``initial``: names of the row's fields that the form begins with."""
    row = page.one(request, object_id)
    start = {name: getattr(row, name) for name in initial}
    return fill_in(page, request, [row], form, start) or page.back_to(row)
