"""Problem documents (RFC 9457) as bytes, readable by the OpenAI SDK too; knows no framework."""

import json
from typing import Any, Final, NamedTuple

from momentry.common.errors import CODES, ErrorCode

CONTENT_TYPE: Final = "application/problem+json"
REALM: Final = "momentry"
RETRY_SECONDS: Final = 1


class Problem(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes


def render(code: str, *, request_id: str, detail: str | None = None, **extra: Any) -> Problem:
    """One error answer.

    ``extra`` may hold ``retry_after`` (whole seconds), ``scope`` (what was lacking) and
    ``allow`` (methods), which become headers; every other member goes into the document.
    """
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
    # A detail may repeat what a client sent, and JSON can carry a lone surrogate.
    body = json.dumps(document, ensure_ascii=False, default=str).encode(errors="replace")
    return Problem(entry.status, headers, body)


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
