"""No answer to a change leaves before every process follows it, whoever made it and how."""

from collections.abc import Callable
from typing import Final

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse

from momentry.common.errors import MomentryError
from momentry.common.fence.wait import wait
from momentry.common.handlers import problem_response

SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))


class FenceMiddleware:
    """Outside of all transactions. Reading methods and refusals change nothing: nobody waits."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.method in SAFE or response.status_code >= 400:
            return response
        try:
            wait()
        except MomentryError as error:
            return problem_response(error)
        except (OperationalError, InterfaceError):
            return problem_response(MomentryError("database_unavailable"))
        return response
