"""Two parsers that are not ours, llhttp and h11, and what each sees in a stream of messages."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import h11
import httptools

from proxy.gateway.head import Fields

ENOUGH = 1 << 20  # h11's bound on a head


@dataclass
class Message:
    """One request or answer; field names in lower case, values without outer blanks."""

    start: bytes = b""  # method or status
    target: bytes = b""
    headers: Fields = field(default_factory=list)
    body: bytes = b""
    trailers: Fields = field(default_factory=list)
    keep_alive: bool = False
    has_head: bool = False
    complete: bool = False

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key == name]


class Collector:
    """llhttp's callbacks, for any number of messages. ``refused``: it would not read on."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind
        self.messages: list[Message] = []
        self.refused = False
        self.upgraded = False

    def read(self, data: bytes) -> "Collector":
        self.parser = self.kind(self)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.upgraded = True
        except httptools.HttpParserError:
            self.refused = True
        return self

    @property
    def now(self) -> Message:
        return self.messages[-1]

    def on_message_begin(self) -> None:
        self.messages.append(Message())

    def on_url(self, part: bytes) -> None:
        self.now.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        fields = self.now.trailers if self.now.has_head else self.now.headers
        fields.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.now.has_head = True
        self.now.keep_alive = self.parser.should_keep_alive()
        if self.kind is httptools.HttpRequestParser:
            self.now.start = self.parser.get_method()
        else:
            self.now.start = b"%d" % self.parser.get_status_code()

    def on_body(self, part: bytes) -> None:
        self.now.body += part

    def on_message_complete(self) -> None:
        self.now.complete = True

    @property
    def whole(self) -> list[Message]:
        return [message for message in self.messages if message.complete]


def requests(data: bytes) -> Collector:
    """As llhttp reads them, up to an upgrade; the body beside one it takes for what comes after."""
    return Collector(httptools.HttpRequestParser).read(data)


def answers(data: bytes) -> Collector:
    """As llhttp reads them, up to a 101."""
    return Collector(httptools.HttpResponseParser).read(data)


def as_h11(fields: Fields) -> Fields:
    """It writes the transfer coding in lower case."""
    return [
        (name, value.lower() if name == b"transfer-encoding" else value) for name, value in fields
    ]


def events(connection: h11.Connection) -> Iterator[Any]:
    while (event := connection.next_event()) is not h11.NEED_DATA and event is not h11.PAUSED:
        yield event
        if isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            return


def first_request(data: bytes) -> tuple[Message, bytes] | None:
    """As h11 reads it, and the bytes after it; None when h11 refuses."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=ENOUGH)
    return first(connection, data)


def first_answer(
    data: bytes, method: bytes, *, ended: bool = False
) -> tuple[Message, bytes] | None:
    """``ended``: the connection is over after these bytes."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=ENOUGH)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    connection.send(h11.EndOfMessage())
    return first(connection, data, ended=ended)


def first(
    connection: h11.Connection, data: bytes, *, ended: bool = False
) -> tuple[Message, bytes] | None:
    message = Message()
    try:
        connection.receive_data(data)
        for event in events(connection):
            note(message, event)
        if ended and not message.complete:
            connection.receive_data(b"")
            for event in events(connection):
                note(message, event)
    except h11.RemoteProtocolError:
        return None
    return message, connection.trailing_data[0] if message.complete else b""


def note(message: Message, event: Any) -> None:
    if isinstance(event, h11.Request):
        message.start, message.target = event.method, event.target
        message.headers, message.has_head = list(event.headers), True
    elif isinstance(event, h11.Response | h11.InformationalResponse):
        message.start = b"%d" % event.status_code
        message.headers, message.has_head = list(event.headers), True
    elif isinstance(event, h11.Data):
        message.body += bytes(event.data)
    elif isinstance(event, h11.EndOfMessage):
        message.trailers, message.complete = list(event.headers), True
