"""Answers the gateway writes itself, as bytes; no decisions."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from momentry.common import problem

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
REASONS: Final = {status.value: status.phrase.encode() for status in HTTPStatus}
TEXT: Final = "text/plain; charset=utf-8"

ByteFields = Sequence[tuple[bytes, bytes]]


class Answer:
    """A whole answer before it is known how the connection goes on."""

    __slots__ = ("body", "code", "detail", "headers", "status")

    def __init__(
        self,
        status: int,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        code: str = "",
        detail: str = "",
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.code = code
        self.detail = detail

    def encode(
        self,
        request_id: str,
        *,
        close: bool,
        method: bytes = b"",
        version: int = 11,
        extra: ByteFields = (),
    ) -> bytes:
        parts = [b"HTTP/1.1 %d %b\r\n" % (self.status, REASONS.get(self.status, b""))]
        parts += [f"{name}: {value}\r\n".encode() for name, value in self.headers]
        parts += [b"%b: %b\r\n" % field for field in extra]
        parts.append(b"X-Request-ID: %b\r\n" % request_id.encode())
        parts.append(b"Content-Length: %d\r\n" % len(self.body))
        if close:
            parts.append(b"Connection: close\r\n")
        elif version == 10:
            parts.append(b"Connection: keep-alive\r\n")
        parts.append(b"\r\n")
        if method != b"HEAD":
            parts.append(self.body)
        return b"".join(parts)


def refusal(code: str, request_id: str, detail: str | None = None, **extra: Any) -> Answer:
    """A problem document; ``extra`` as in problem.render()."""
    made = problem.render(code, request_id=request_id, detail=detail, **extra)
    return Answer(made.status, made.headers, made.body, code, detail or "")


def plain(text: str, **headers: str) -> Answer:
    fields = [("Content-Type", TEXT), ("Cache-Control", "no-store")]
    fields += [(name.replace("_", "-"), value) for name, value in headers.items() if value]
    return Answer(200, fields, text.encode())
