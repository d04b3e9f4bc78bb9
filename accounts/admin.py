"""The log-in page of the admin with its caps on attempts; pages of members are provisioning's."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.cache import never_cache

from momentry.common import throttle
from momentry.common.errors import MomentryError

LoginView = Callable[[HttpRequest, dict[str, Any] | None], HttpResponse]


def capped(login: LoginView) -> LoginView:
    """Attempts are counted before the password is looked at: a right one waits too."""

    @never_cache
    @wraps(login)
    def view(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "POST":
            try:
                count_attempt(request)
            except MomentryError as error:
                return wait_page(request, error)
        return login(request, extra_context)

    return view


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


# Before urls.py reads the site's views. The site's class is unfold's, set while apps load.
setattr(admin.site, "login", capped(admin.site.login))  # noqa: B010  mypy forbids the assignment
