"""Every error of Django and DRF as a problem document; unknown ones say nothing but their id."""

import sys
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import ValidationError
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions

from momentry.common import problem, request_id
from momentry.common.errors import MomentryError

CODES = {
    exceptions.ParseError: "bad_request",
    exceptions.NotAuthenticated: "missing_key",
    exceptions.AuthenticationFailed: "invalid_key",
    exceptions.PermissionDenied: "permission_denied",
    exceptions.NotFound: "not_found",
    exceptions.NotAcceptable: "not_acceptable",
    exceptions.UnsupportedMediaType: "unsupported_media_type",
}


class ProblemResponse(HttpResponse):
    """An error answer that remembers its code, for the request log."""

    code: str = ""


def exception_handler(error: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """DRF's hook. None lets Django answer 500 through server_error."""
    known = as_momentry_error(error)
    if known is None:
        return None
    return problem_response(known)


def as_momentry_error(error: Exception) -> MomentryError | None:
    if isinstance(error, MomentryError):
        return error
    if isinstance(error, exceptions.ValidationError):
        return MomentryError("invalid_input", errors=list(pointers(error.detail)))
    if isinstance(error, ValidationError):
        return MomentryError("invalid_input", errors=list(pointers(messages_of(error))))
    if isinstance(error, exceptions.MethodNotAllowed):
        return MomentryError("method_not_allowed")
    if isinstance(error, Http404):
        return MomentryError("not_found")
    if isinstance(error, (OperationalError, InterfaceError)):
        return MomentryError("database_unavailable")
    if isinstance(error, exceptions.APIException):
        code = next((code for kind, code in CODES.items() if isinstance(error, kind)), None)
        return MomentryError(code, str(error.detail)) if code else None
    return None


def messages_of(error: ValidationError) -> Any:
    return error.message_dict if hasattr(error, "error_dict") else error.messages


def pointers(detail: Any, path: str = "#") -> Iterator[dict[str, str]]:
    """Django's and DRF's nested messages as JSON pointers (RFC 6901)."""
    if isinstance(detail, dict):
        for name, value in detail.items():
            whole = name in ("non_field_errors", "__all__")
            yield from pointers(value, path if whole else f"{path}/{escape(str(name))}")
    elif isinstance(detail, list):
        for index, value in enumerate(detail):
            nested = isinstance(value, (dict, list))
            yield from pointers(value, f"{path}/{index}" if nested else path)
    else:
        yield {"detail": str(detail), "pointer": path}


def escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def problem_response(error: MomentryError) -> HttpResponse:
    code = error.code.code
    rendered = problem.render(
        code, request_id=request_id.current.get(), detail=error.detail, **error.extra
    )
    response = ProblemResponse(rendered.body, status=rendered.status)
    response.code = code
    for name, value in rendered.headers:
        response.headers[name] = value
    return response


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_response(MomentryError("not_found"))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_response(MomentryError("bad_request"))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_response(MomentryError("permission_denied"))


def server_error(request: HttpRequest) -> HttpResponse:
    """Django calls it while the exception is handled: a database that is away is no defect."""
    if isinstance(sys.exc_info()[1], (OperationalError, InterfaceError)):
        return problem_response(MomentryError("database_unavailable"))
    return problem_response(MomentryError("internal_error"))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return problem_response(MomentryError("csrf_failed"))
