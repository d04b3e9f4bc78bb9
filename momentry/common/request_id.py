"""The request id: a UUIDv7 made by momentry for every request, never taken from a client."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final
from uuid import UUID

from momentry.common.ids import uuid7_text

if TYPE_CHECKING:  # the gateway imports this module and must not load Django
    from django.http import HttpRequest, HttpResponse

HEADER: Final = "X-Request-ID"
FROM_GATEWAY: Final = "X-Momentry-Request-Id"
current: ContextVar[str] = ContextVar("request_id", default="")


def new() -> str:
    return uuid7_text()


class RequestIdMiddleware:
    """Takes the gateway's id (it strips a client's) or makes one; answers carry it."""

    def __init__(self, get_response: "Callable[[HttpRequest], HttpResponse]") -> None:
        self.get_response = get_response

    def __call__(self, request: "HttpRequest") -> "HttpResponse":
        request_id = canonical(request.headers.get(FROM_GATEWAY, "")) or new()
        token = current.set(request_id)
        try:
            response = self.get_response(request)
        finally:
            current.reset(token)
        response.headers[HEADER] = request_id
        return response


def canonical(text: str) -> str:
    """A UUID in its usual form, or "" for anything else."""
    try:
        return str(UUID(text)) if len(text) == 36 else ""
    except ValueError:
        return ""
