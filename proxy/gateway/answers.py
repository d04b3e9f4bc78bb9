"""Answers the gateway writes itself, as bytes; no decisions."""

from collections.abc import Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

from momentry.common import problem
from momentry.common.problem import SOMEBODY

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
REASONS: Final = {status.value: status.phrase.encode() for status in HTTPStatus}
INSTANCE: Final = "X-Momentry-Instance"
TEXT: Final = "text/plain; charset=utf-8"

ByteFields = Sequence[tuple[bytes, bytes]]


def lines_of(status: int, headers: Sequence[tuple[str, str]]) -> bytes:
    """The status line and these fields."""
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers])
    return b"HTTP/1.1 %d %b\r\n%b" % (status, REASONS.get(status, b""), fields.encode())


class Answer:
    """A whole answer before it is known how the connection goes on. ``lines``: of lines_of()."""

    __slots__ = ("body", "code", "detail", "lines", "status")

    def __init__(
        self, status: int, lines: bytes, body: bytes, code: str = "", detail: str = ""
    ) -> None:
        self.status = status
        self.lines = lines
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
        body, end = self.body, b""
        if close:
            end = b"Connection: close\r\n"
        elif version == 10:
            end = b"Connection: keep-alive\r\n"
        return b"%b%bX-Request-ID: %b\r\nContent-Length: %d\r\n%b\r\n%b" % (
            self.lines,
            b"".join([b"%b: %b\r\n" % field for field in extra]) if extra else b"",
            request_id.encode(),
            len(body),
            end,
            body if method != b"HEAD" else b"",
        )


def refusal(
    code: str, request_id: str, detail: str | None = None, dialect: str = "", /, **extra: Any
) -> Answer:
    """A problem document; ``dialect`` and ``extra`` as in problem.render()."""
    if not detail and not extra:
        status, lines, body = rendered(code, dialect)
        told = request_id.encode()
        return Answer(status, told.join(lines), told.join(body), code)
    made = problem.render(code, request_id=request_id, detail=detail, dialect=dialect, **extra)
    return Answer(made.status, lines_of(made.status, made.headers), made.body, code, detail or "")


@lru_cache
def rendered(code: str, dialect: str) -> tuple[int, list[bytes], list[bytes]]:
    """Status, lines and body of an error that has nothing to say but its code: the pieces that a
    request's id stands between."""
    made = problem.plain(code, dialect)
    lines = lines_of(made.status, made.headers)
    return made.status, lines.split(SOMEBODY), made.body.split(SOMEBODY)


@lru_cache(maxsize=8)
def plain(text: str, instance: str) -> Answer:
    fields = [("Content-Type", TEXT), ("Cache-Control", "no-store")]
    if instance:
        fields.append((INSTANCE, instance))
    return Answer(200, lines_of(200, fields), text.encode())
