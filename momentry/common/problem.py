"""Problem documents (RFC 9457) as bytes, readable by OpenAI's and Anthropic's SDKs too."""

import json
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import uuid4

from momentry.common.errors import CODES, ErrorCode

CONTENT_TYPE: Final = "application/problem+json"
REALM: Final = "momentry"
RETRY_SECONDS: Final = 1
SOME_ID: Final = str(uuid4())  # stands for a request's id in what is rendered once
SOMEBODY: Final = SOME_ID.encode()
ANTHROPIC: Final = "anthropic"  # as in proxy.models.UsageFormat
# https://docs.anthropic.com/en/api/errors; any other status: see anthropic_type.
ANTHROPIC_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


class Problem(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes


def render(
    code: str, *, request_id: str, detail: str | None = None, dialect: str = "", **extra: Any
) -> Problem:
    """One error answer. ``dialect`` ANTHROPIC is for clients of that API; else OpenAI's.

    ``extra`` may hold ``retry_after`` (whole seconds), ``scope`` (what was lacking) and
    ``allow`` (methods), which become headers; every other member goes into the document.
    """
    if not detail and not extra:
        made = plain(code, dialect)
        body = made.body.replace(SOMEBODY, request_id.encode(errors="replace"))
        headers = [(name, value.replace(SOME_ID, request_id)) for name, value in made.headers]
        return Problem(made.status, headers, body)
    return compose(code, request_id, detail, dialect, extra)


@lru_cache
def plain(code: str, dialect: str) -> Problem:
    """Of an error that has nothing to say but its code: floods of refusals are made of them."""
    return compose(code, SOME_ID, None, dialect, {})


def compose(
    code: str, request_id: str, detail: str | None, dialect: str, extra: dict[str, Any]
) -> Problem:
    entry = CODES[code]
    text = detail or f"{entry.title}."
    headers = headers_of(entry, text, extra)
    document = {
        "type": entry.type_uri,
        "title": entry.title,
        "status": entry.status,
        "detail": text,
        "instance": f"urn:uuid:{request_id}",
        "code": code,
        "request_id": request_id,
        **extra,
        "error": {"message": text, "type": entry.kind, "param": None, "code": code},
    }
    if dialect == ANTHROPIC:
        document |= anthropic_members(entry, text)
        headers.append(("request-id", request_id))
    # A detail may repeat what a client sent, and JSON can carry a lone surrogate.
    body = json.dumps(document, ensure_ascii=False, default=str).encode(errors="replace")
    return Problem(entry.status, headers, body)


def anthropic_members(entry: ErrorCode, text: str) -> dict[str, Any]:
    """What takes the place of our own ``type`` and of OpenAI's ``error``."""
    details = {"error_code": entry.code}
    error = {"type": anthropic_type(entry.status), "message": text, "details": details}
    return {"type": "error", "error": error}


def anthropic_type(status: int) -> str:
    other = "api_error" if status >= 500 else "invalid_request_error"
    return ANTHROPIC_TYPES.get(status, other)


def headers_of(entry: ErrorCode, detail: str, extra: dict[str, Any]) -> list[tuple[str, str]]:
    headers = [("Content-Type", CONTENT_TYPE), ("Cache-Control", "no-store")]
    retry_after = extra.pop("retry_after", RETRY_SECONDS if entry.status == 503 else None)
    if retry_after is not None:
        headers.append(("Retry-After", str(retry_after)))
    if not entry.retry:
        headers.append(("x-should-retry", "false"))
    scope = extra.pop("scope", None)
    if entry.challenge is not None:
        headers.append(("WWW-Authenticate", challenge(entry, detail, scope)))
    if allow := extra.pop("allow", None):
        headers.append(("Allow", allow))
    return headers


def challenge(entry: ErrorCode, detail: str, scope: str | None) -> str:
    """RFC 6750 §3: no error attribute when no credential was sent."""
    text = f'Bearer realm="{REALM}"'
    if entry.challenge:
        safe = detail.replace("\\", "").replace('"', "'")
        text += f', error="{entry.challenge}", error_description="{safe}"'
    if scope:
        text += f', scope="{scope}"'
    return text
