"""What every admin page shares: themed bases, badges, deeds that ask before they are done.

A deed is what an action button does: the page asks first (GET, or the list's POST), a confirming
POST calls the service for each row.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Generic, NamedTuple, TypeVar, cast

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action as unfold_action
from unfold.decorators import display as unfold_display

from momentry.common.errors import MomentryError
from momentry.common.themed import ThemedAdmin

M = TypeVar("M", bound=Model)
F = TypeVar("F", bound=Callable[..., Any])

GREEN: Final = "success"
RED: Final = "danger"
ORANGE: Final = "warning"
BLUE: Final = "info"
# Filtering by the beginning of a digest would tell it, character by character.
GUARDED: Final = frozenset({"password", "digest", "nonce"})
MOST_AT_ONCE: Final = 500
URLS: Final[dict[Any, dict[str, Any]]] = {models.URLField: {"assume_scheme": "https"}}
DENIED: Final = "Not permitted."


def column(
    title: str, *, order: Any = None, badge: Mapping[Any, str] | None = None
) -> Callable[[F], F]:
    """A computed column; ``order`` as in ``order_by``, ``badge`` maps its values to colours."""

    def mark(function: F) -> F:
        label = dict(badge) if badge is not None else None
        shown = unfold_display(function, description=title, ordering=order, label=label)
        return cast("F", shown)

    return mark


def button(title: str, permission: str, icon: str = "") -> Callable[[F], F]:
    """A change page's button, refused without ``permission`` (app.codename).

    unfold's own ``permissions`` is not used: its system check reads the database for such names,
    and there is none yet when the first migration runs.
    """

    def mark(function: F) -> F:
        @functools.wraps(function)
        def guarded(page: Any, request: HttpRequest, object_id: str) -> Any:
            if not cast("Any", request.user).has_perm(permission):
                raise PermissionDenied(DENIED)
            return function(page, request, object_id)

        made = unfold_action(guarded, description=title, icon=icon or None)
        made.needs = permission
        return cast("F", made)

    return mark


def bulk(title: str, permission: str) -> Callable[[F], F]:
    """A list action for whoever has ``permission``; StaffAdmin.get_actions reads ``needs``."""

    def mark(function: F) -> F:
        marked: Any = admin.action(function, description=title)
        marked.needs = permission
        return cast("F", marked)

    return mark


def actor_of(request: HttpRequest) -> str:
    """The staff user as events name it."""
    return f"staff:{request.user.pk}"


def link_to(model: str, pk: Any, text: str) -> SafeString | str:
    """A link to a change page; ``model`` is ``app_model``."""
    try:
        return format_html(
            '<a class="text-link" href="{}">{}</a>',
            reverse(f"admin:{model}_change", args=[quote(pk)]),
            text,
        )
    except NoReverseMatch:
        return text


def link_to_list(model: str, query: str, text: str) -> SafeString:
    url = reverse(f"admin:{model}_changelist")
    return format_html('<a class="text-link" href="{}?{}">{}</a>', url, query, text)


class Order(NamedTuple):
    """Who asks for a deed, and why."""

    actor: str
    reason: str = ""


@dataclass(frozen=True)
class Deed:
    """``run`` calls a service and says whether anything changed. ``warning`` is what is asked."""

    title: str
    done: str
    warning: str
    permission: str
    run: Callable[[Any, Order], bool]
    asks_reason: bool = False


class StaffAdmin(ThemedAdmin[M], Generic[M]):
    """No bulk deletion (it goes around services), no facets (they scan)."""

    list_per_page = 50
    list_max_show_all = 100
    show_facets = admin.ShowFacets.NEVER
    list_disable_select_all = True
    compressed_fields = True
    warn_unsaved_form = True
    hidden_lookups: ClassVar[frozenset[str]] = GUARDED

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        user = cast("Any", request.user)
        return {
            name: found
            for name, found in super().get_actions(request).items()
            if found and (needs := getattr(found[0], "needs", "")) and user.has_perm(needs)
        }

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """unfold's buttons of a change page, for whoever may press them."""
        found: list[Any] = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        user = cast("Any", request.user)
        return [button for button in found if user.has_perm(getattr(button.method, "needs", ""))]

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        if self.hidden_lookups.intersection(lookup.split("__")):
            return False
        return super().lookup_allowed(lookup, value, cast("HttpRequest", request))

    def allows(self, request: HttpRequest, obj: M) -> bool:
        """May this staff user do deeds to this row, beyond the deed's own permission?"""
        return True

    def carry_out(
        self, request: HttpRequest, rows: QuerySet[M] | list[M], deed: Deed
    ) -> HttpResponse | None:
        """Ask, or do it to each row; None returns to the list."""
        found = list(rows[: MOST_AT_ONCE + 1])
        if len(found) > MOST_AT_ONCE:
            self.message_user(request, f"At most {MOST_AT_ONCE} at once.", messages.ERROR)
            return None
        allowed = request.user.has_perm(deed.permission)
        if not allowed or not all(self.allows(request, row) for row in found):
            raise PermissionDenied(DENIED)
        if request.method != "POST" or request.POST.get("confirmed") != "yes":
            return self.ask(request, found, deed)
        order = Order(actor_of(request), request.POST.get("reason", "")[:200].strip())
        self.tell(request, deed, [self.attempt(row, deed, order) for row in found])
        return None

    def attempt(self, row: M, deed: Deed, order: Order) -> str:
        """ "" when it was done, else why not."""
        try:
            return "" if deed.run(row, order) else f"{row}: nothing to do."
        except MomentryError as error:
            return f"{row}: {error.detail}"

    def tell(self, request: HttpRequest, deed: Deed, outcomes: list[str]) -> None:
        done = outcomes.count("")
        if done:
            self.message_user(request, f"{deed.done}: {done}.", messages.SUCCESS)
        for why in [outcome for outcome in outcomes if outcome][:5]:
            self.message_user(request, why, messages.WARNING)

    def ask(self, request: HttpRequest, rows: list[M], deed: Deed) -> HttpResponse:
        context = {
            "deed": deed,
            "rows": rows,
            "action": request.POST.get("action", ""),
            "checkbox": ACTION_CHECKBOX_NAME,
            "back": reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"),
        }
        return self.page(request, "staff/confirm.html", deed.title, context)

    def carry_out_one(self, request: HttpRequest, object_id: str, deed: Deed) -> HttpResponse:
        row = self.one(request, object_id)
        return self.carry_out(request, [row], deed) or self.back_to(row)

    def one(self, request: HttpRequest, object_id: str) -> M:
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        return row

    def back_to(self, row: M) -> HttpResponse:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return HttpResponseRedirect(reverse(name, args=[quote(row.pk)]))

    def page(
        self, request: HttpRequest, template: str, title: str, context: dict[str, Any]
    ) -> HttpResponse:
        request.current_app = self.admin_site.name
        shared = {**self.admin_site.each_context(request), "opts": self.opts, "title": title}
        return TemplateResponse(request, template, {**shared, **context})


class ReadOnlyAdmin(StaffAdmin[M], Generic[M]):
    """Rows that only the machine writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False
