"""Heads to begin from, and how llhttp reads bytes: the oracle that must accept whatever we do."""

from dataclasses import dataclass, field
from typing import Any

import httptools

from proxy.gateway.head import BadMessage, RequestHead, parse_request
from proxy.gateway.response import ResponseHead, parse_response


def request(
    *fields: str, line: str = "GET /a?b=c HTTP/1.1", host: str = "Host: example.com"
) -> bytes:
    lines = [line, *([host] if host else []), *fields]
    return "".join(f"{text}\r\n" for text in lines).encode("latin-1") + b"\r\n"


def parsed(
    *fields: str, line: str = "GET /a?b=c HTTP/1.1", host: str = "Host: a.test"
) -> RequestHead:
    return parse_request(request(*fields, line=line, host=host))


def answer(*fields: str, line: str = "HTTP/1.1 200 OK", method: bytes = b"GET") -> ResponseHead:
    return parse_response(request(*fields, line=line, host=""), method)


def refusal(block: bytes) -> str:
    """The code a request head is refused with; "" when it is accepted."""
    try:
        parse_request(block)
    except BadMessage as error:
        return error.code
    return ""


@dataclass
class Reading:
    """What llhttp saw."""

    url: bytes = b""
    method: bytes = b""
    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    complete: bool = False
    keep_alive: bool = False
    refused: bool = False
    parser: Any = None

    def on_url(self, part: bytes) -> None:
        self.url += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.keep_alive = self.parser.should_keep_alive()

    def on_body(self, part: bytes) -> None:
        self.body += part

    def on_message_complete(self) -> None:
        self.complete = True


def read_request(data: bytes) -> Reading:
    reading = Reading()
    reading.parser = httptools.HttpRequestParser(reading)
    feed(reading, data)
    reading.method = reading.parser.get_method() if not reading.refused else b""
    return reading


def read_response(data: bytes) -> Reading:
    reading = Reading()
    reading.parser = httptools.HttpResponseParser(reading)
    feed(reading, data)
    reading.status = reading.parser.get_status_code() if not reading.refused else 0
    return reading


def feed(reading: Reading, data: bytes) -> None:
    try:
        reading.parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError:
        reading.refused = True
