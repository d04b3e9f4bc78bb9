"""The admin's log-in, log-out and change of one's own password: attempts are capped, and what comes
of them is recorded in the same transaction. Pages of members are provisioning's."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.views.decorators.cache import never_cache

from accounts.models import User
from accounts.services import staff
from momentry.common import throttle
from momentry.common.errors import MomentryError

Page = Callable[[HttpRequest, dict[str, Any] | None], HttpResponseBase]
DONE = 302  # what Django's own views answer when a form was right


def capped(login: Page) -> Page:
    """Attempts are counted before the password is looked at: a right one waits too."""

    @never_cache
    @wraps(login)
    def view(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        if request.method != "POST":
            return login(request, extra_context)
        try:
            count_attempt(request)
        except throttle.TooManyError as error:
            if error.is_first:  # the others would cost a write each
                staff.note_throttled(request)
            return wait_page(request, error)
        return attempt(login, request, extra_context)

    return view


@transaction.atomic
def attempt(login: Page, request: HttpRequest, extra: dict[str, Any] | None) -> HttpResponseBase:
    response = login(request, extra)
    if response.status_code == DONE:
        staff.note_login(request)
    else:
        staff.note_failure(request, request.POST.get("username", ""))
    return response


def count_attempt(request: HttpRequest) -> None:
    """The address first: once it is refused, it spends nothing of the person it names."""
    throttle.spend(request, throttle.LOGIN_ADDRESS, throttle.address_of(request))
    name = throttle.same_name(request.POST.get("username", ""))
    throttle.spend(request, throttle.LOGIN_USERNAME, name)


def wait_page(request: HttpRequest, error: MomentryError) -> HttpResponse:
    context = {**admin.site.each_context(request), "title": "Log in", "detail": error.detail}
    response = TemplateResponse(request, "staff/wait.html", context, status=error.code.status)
    response.headers["Retry-After"] = str(error.extra["retry_after"])
    return response


def recorded(page: Page, note: Callable[[User, HttpRequest], None]) -> Page:
    """What a page does to whoever is logged in, in one transaction with its event."""

    @wraps(page)
    def view(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        user = request.user
        if request.method != "POST" or not isinstance(user, User):
            return page(request, extra_context)
        with transaction.atomic():
            response = page(request, extra_context)
            if is_done(request, response):
                note(user, request)
        return response

    return view


def is_done(request: HttpRequest, response: HttpResponseBase) -> bool:
    """A page shows a form again whose answers were wrong; who logged out is nobody."""
    return response.status_code == DONE or not request.user.is_authenticated


# Before urls.py reads the site's views. The site's class is unfold's, set while apps load.
for name, view in {
    "login": capped(admin.site.login),
    "logout": recorded(admin.site.logout, staff.note_logout),
    "password_change": recorded(admin.site.password_change, staff.note_password),
}.items():
    setattr(admin.site, name, view)
