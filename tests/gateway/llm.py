"""A stand-in for the LLM services: their routes, their credentials, their streams and refusals."""

import json
import threading
import time
from typing import Any

from tests.gateway.wire import CHUNKED, LENGTH, Server, Wire, unchunk

WORDS = ["Hello", ",", " wor", "ld", " 🙂"]
TEXT = "".join(WORDS)
PAUSE = 0.08  # between two words
PATIENCE = 10.0
SECRET = "sk-theirs-1"
Json = dict[str, Any]


class Refused(Exception):
    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


def field(head: bytes, name: str) -> str:
    for line in head.decode("latin-1").split("\r\n")[1:]:
        key, _, value = line.partition(": ")
        if key.lower() == name:
            return value
    return ""


def read_json(wire: Wire, head: bytes) -> Json:
    found = LENGTH.search(head)
    if found:
        raw = wire.exactly(int(found[1]))
    else:
        raw = unchunk(wire.raw_chunks()) if CHUNKED.search(head) else b""
    if not field(head, "content-type").startswith("application/json"):
        raise Refused(415, "invalid_request_error", "Send JSON.")
    body = json.loads(raw)
    if not isinstance(body.get("messages"), list) or not body["messages"]:
        raise Refused(400, "invalid_request_error", "messages: at least one is required")
    if body.get("model") == "busy":
        raise Refused(429, "rate_limit_error", "Slow down, they say.")
    return dict(body)


def send_json(wire: Wire, status: int, body: Json, *fields: bytes) -> None:
    data = json.dumps(body).encode()
    lines = b"".join(line + b"\r\n" for line in fields)
    head = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\n" % status
    wire.send(head + lines + b"Content-Length: %d\r\n\r\n" % len(data) + data)


class Words:
    """Sent a moment apart; or, once a test asks for it, each after the first only when the client
    has that one: ``in_time`` says whether it had, before ``PATIENCE`` was over."""

    def __init__(self) -> None:
        self.heard: threading.Event | None = None
        self.in_time = True

    def wait(self) -> None:
        if self.heard is None:
            time.sleep(PAUSE)
        else:
            self.in_time = self.in_time and self.heard.wait(PATIENCE)


class Stream:
    """Server-sent events, each a chunk."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        wire.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
            b"Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
        )

    def event(self, data: str, name: str = "") -> None:
        text = (f"event: {name}\n" if name else "") + f"data: {data}\n\n"
        raw = text.encode()
        self.wire.send(b"%x\r\n%b\r\n" % (len(raw), raw))

    def end(self) -> None:
        self.wire.send(b"0\r\n\r\n")


class OpenAI:
    """POST /v1/chat/completions."""

    def __init__(self, server: Server) -> None:
        self.cuts = False
        self.words = Words()
        server.on("/v1/chat/completions", self.answer)

    def answer(self, wire: Wire, head: bytes) -> None:
        try:
            body = self.read(wire, head)
        except Refused as refused:
            error = {"message": str(refused), "type": refused.kind, "param": None, "code": None}
            send_json(wire, refused.status, {"error": error})
            return
        if body.get("stream"):
            self.stream(Stream(wire), body)
        else:
            message = {"role": "assistant", "content": TEXT}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            told = self.base("chat.completion", body) | {"choices": [choice], "usage": USAGE}
            send_json(wire, 200, told, b"x-request-id: req_theirs", b"openai-processing-ms: 7")

    def read(self, wire: Wire, head: bytes) -> Json:
        body = read_json(wire, head)
        if field(head, "authorization") != f"Bearer {SECRET}":
            raise Refused(401, "invalid_request_error", "Incorrect API key provided.")
        return body

    def stream(self, stream: Stream, body: Json) -> None:
        base = self.base("chat.completion.chunk", body)
        for word in WORDS:
            delta = {"index": 0, "delta": {"content": word}, "finish_reason": None}
            stream.event(json.dumps(base | {"choices": [delta]}))
            self.words.wait()
        if self.cuts:
            stream.wire.end()
            return
        last = {"index": 0, "delta": {}, "finish_reason": "stop"}
        stream.event(json.dumps(base | {"choices": [last]}))
        if (body.get("stream_options") or {}).get("include_usage"):
            stream.event(json.dumps(base | {"choices": [], "usage": USAGE}))
        stream.event("[DONE]")
        stream.end()

    def base(self, kind: str, body: Json) -> Json:
        return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": body["model"]}


USAGE = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}


class Anthropic:
    """POST /v1/messages."""

    def __init__(self, server: Server) -> None:
        self.cuts = False
        self.words = Words()
        server.on("/v1/messages", self.answer)

    def answer(self, wire: Wire, head: bytes) -> None:
        try:
            body = self.read(wire, head)
        except Refused as refused:
            error = {"type": refused.kind, "message": str(refused)}
            send_json(wire, refused.status, {"type": "error", "error": error})
            return
        if body.get("stream"):
            self.stream(Stream(wire), body)
        else:
            content = [{"type": "text", "text": TEXT}]
            send_json(wire, 200, self.message(body, content, "end_turn", 5))

    def read(self, wire: Wire, head: bytes) -> Json:
        body = read_json(wire, head)
        if field(head, "x-api-key") != SECRET:
            raise Refused(401, "authentication_error", "invalid x-api-key")
        if not field(head, "anthropic-version"):
            raise Refused(400, "invalid_request_error", "anthropic-version: is required")
        if not isinstance(body.get("max_tokens"), int):
            raise Refused(400, "invalid_request_error", "max_tokens: is required")
        return body

    def message(self, body: Json, content: list[Json], stop: str | None, tokens: int) -> Json:
        usage = {"input_tokens": 9, "output_tokens": tokens}
        return {
            "id": "msg_1", "type": "message", "role": "assistant", "model": body["model"],
            "content": content, "stop_reason": stop, "stop_sequence": None, "usage": usage,
        }  # fmt: skip

    def stream(self, stream: Stream, body: Json) -> None:
        def tell(kind: str, **told: Any) -> None:
            stream.event(json.dumps({"type": kind} | told), kind)

        tell("message_start", message=self.message(body, [], None, 1))
        tell("content_block_start", index=0, content_block={"type": "text", "text": ""})
        tell("ping")
        for word in WORDS:
            tell("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
            self.words.wait()
        if self.cuts:
            stream.wire.end()
            return
        tell("content_block_stop", index=0)
        stopped = {"stop_reason": "end_turn", "stop_sequence": None}
        tell("message_delta", delta=stopped, usage={"output_tokens": 5})
        tell("message_stop")
        stream.end()
