"""The page behind the link in each letter that can be called off. It knows nobody's name.

GET only asks: mail scanners open links. A POST calls off, by the button or by the mail program's
own (RFC 8058: a form with List-Unsubscribe=One-Click, from anywhere, without cookies). Each change
is an event for good, so what one address may do in a minute is capped.
"""

from http import HTTPStatus
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from events.letters import ENGLISH, locale_of
from events.topics import Topic
from events.unsubscribing import Subscription, is_wanted, read_token, subscribe, unsubscribe
from momentry.common import throttle
from momentry.common.errors import MomentryError

ACTOR: Final = "link"  # whoever has the letter
IN_CHINESE: Final = {
    Topic.EXPIRY: "即將到期的金鑰",
    Topic.QUOTA: "即將用完的額度與儲存空間",
    Topic.DIGEST: "給管理人員的每週摘要",
}


@method_decorator(csrf_exempt, name="dispatch")
@method_decorator(never_cache, name="dispatch")
class UnsubscribePage(View):
    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        return self.answer(request, token)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        return self.answer(request, token)

    def answer(self, request: HttpRequest, token: str) -> HttpResponse:
        try:
            throttle.spend(request, throttle.UNSUBSCRIBE_ADDRESS, throttle.address_of(request))
        except MomentryError as error:
            response = page(request, {"wait": error.extra["retry_after"]}, error.code.status)
            response.headers["Retry-After"] = str(error.extra["retry_after"])
            return response
        try:
            found = read_token(token)
        except MomentryError:
            return page(request, {"gone": True}, HTTPStatus.NOT_FOUND)
        if request.method == "POST":
            change = subscribe if request.POST.get("choice") == "again" else unsubscribe
            change(found, actor=ACTOR)
        context = {"topic": named(found, language(request)), "wanted": is_wanted(found)}
        return page(request, {**context, "done": request.method == "POST"})


def named(found: Subscription, locale: str) -> str:
    return str(found.topic.label if locale == ENGLISH else IN_CHINESE[found.topic])


def language(request: HttpRequest) -> str:
    """Of the browser's first wish; nobody is asked about, so there is no member's."""
    first = request.headers.get("Accept-Language", "").partition(",")[0].partition(";")[0]
    return locale_of(first.strip())


def page(
    request: HttpRequest, context: dict[str, Any], status: int = HTTPStatus.OK
) -> HttpResponse:
    """The token in the address must not travel on, and the page needs nothing from anywhere."""
    locale = language(request)
    shared = {"site": settings.PUBLIC_URL, "locale": locale}
    template = f"unsubscribe/{locale}.html"
    response = render(request, template, {**context, **shared}, status=status)
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    return response


unsubscribe_page = UnsubscribePage.as_view()
