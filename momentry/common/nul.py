"""RefuseNulMiddleware: PostgreSQL keeps no NUL in text, so no path or query may hold one."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from momentry.common.errors import MomentryError
from momentry.common.handlers import problem_response


class RefuseNulMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "\0" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            return problem_response(MomentryError("bad_request", "NUL is not accepted."))
        return self.get_response(request)
