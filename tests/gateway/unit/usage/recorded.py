"""Answers as LLM services send them, written by hand after the SDKs' types; no ids are real."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from proxy.usage.reader import UsageReader, open_reader
from proxy.usage.reported import Usage

EVENTS = b"text/event-stream; charset=utf-8"
JSON = b"application/json"
Json = dict[str, Any]


class Recorded(NamedTuple):
    form: str
    kind: bytes
    body: bytes
    usage: Usage


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def events(values: Iterable[Json | str], named: bool = False, end: str = "\n") -> bytes:
    made = []
    for value in values:
        lines = [f"event: {value['type']}"] if named and isinstance(value, dict) else []
        data = value if isinstance(value, str) else compact(value)
        made.append(end.join([*lines, f"data: {data}", "", ""]))
    return "".join(made).encode()


def told(read: int, wrote: int, cached: int, thought: int) -> Json:
    return {
        "prompt_tokens": read, "completion_tokens": wrote, "total_tokens": read + wrote,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": thought, "audio_tokens": 0},
    }  # fmt: skip


WORDS = ["Grüße", ", wor", "ld ", "🙂", ' said "usage": {"prompt_tokens": 7}', "\n\n", ""]
BASE = {"id": "chatcmpl-1", "created": 1_800_000_000, "model": "gpt-4o-mini-2024-07-18"}
MESSAGE: Json = {"role": "assistant", "content": "".join(WORDS), "refusal": None, "annotations": []}
CHAT = BASE | {
    "object": "chat.completion",
    "choices": [{"index": 0, "message": MESSAGE, "logprobs": None, "finish_reason": "stop"}],
    "usage": told(19, 10, 4, 6),
    "service_tier": "default",
    "system_fingerprint": "fp_1",
}
CHUNK = BASE | {"object": "chat.completion.chunk", "service_tier": "default", "usage": None}


def choice(delta: Json, why: str | None = None) -> Json:
    return CHUNK | {"choices": [{"index": 0, "delta": delta, "finish_reason": why}]}


CHAT_CHUNKS: list[Json | str] = [
    choice({"role": "assistant", "content": ""}),
    *(choice({"content": word}) for word in WORDS),
    choice({}, "stop"),
    CHUNK | {"choices": [], "usage": told(19, 10, 0, 0)},
    "[DONE]",
]
RESPONSE = {
    "id": "resp_1", "object": "response", "status": "completed", "error": None,
    "model": "gpt-4.1-2025-04-14",
    "output": [{"type": "message", "content": [{"type": "output_text", "text": "Grüße"}]}],
    "tools": [{"type": "function", "parameters": {"properties": {"usage": {"type": "integer"}}}}],
    "usage": {
        "input_tokens": 36, "input_tokens_details": {"cached_tokens": 12},
        "output_tokens": 87, "output_tokens_details": {"reasoning_tokens": 64},
        "total_tokens": 123,
    },
    "user": None, "metadata": {},
}  # fmt: skip
OPEN_RESPONSE = RESPONSE | {"status": "in_progress", "output": [], "usage": None}
RESPONSE_EVENTS: list[Json | str] = [
    {"type": "response.created", "sequence_number": 0, "response": OPEN_RESPONSE},
    {"type": "response.in_progress", "sequence_number": 1, "response": OPEN_RESPONSE},
    {"type": "response.output_text.delta", "sequence_number": 2, "delta": "Grüße"},
    {"type": "response.completed", "response": RESPONSE, "sequence_number": 3},
]
EMBEDDINGS = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.0023, -0.0093, 1e-05] * 9}],
    "model": "text-embedding-3-small",
    "usage": {"prompt_tokens": 8, "total_tokens": 8},
}
CLAUDE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
    "content": [{"type": "tool_use", "name": "f", "input": {"usage": {"output_tokens": 900}}}],
    "stop_reason": "tool_use", "stop_sequence": None,
    "usage": {
        "input_tokens": 21, "cache_creation_input_tokens": 188, "cache_read_input_tokens": 1050,
        "cache_creation": {"ephemeral_5m_input_tokens": 188, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 393, "service_tier": "standard",
        "output_tokens_details": {"thinking_tokens": 41},
    },
}  # fmt: skip
STARTED = {"input_tokens": 21, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 1050}


def delta(**usage: int) -> Json:
    return {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}


CLAUDE_EVENTS: list[Json | str] = [
    {
        "type": "message_start",
        "message": CLAUDE | {"content": [], "usage": STARTED | {"output_tokens": 1}},
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    *(
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
        for word in WORDS
    ),
    {"type": "content_block_stop", "index": 0},
    delta(output_tokens=9),
    delta(output_tokens=15, cache_read_input_tokens=1060),
    {"type": "message_stop"},
]
CHAT_USAGE = Usage("gpt-4o-mini-2024-07-18", 19, 10, 4, 6)
STREAM_USAGE = CHAT_USAGE._replace(tokens_cached=0, tokens_reasoning=0)
RESPONSE_USAGE = Usage("gpt-4.1-2025-04-14", 36, 87, 12, 64)
EMBEDDINGS_USAGE = Usage("text-embedding-3-small", 8, None, None, None)
CLAUDE_USAGE = Usage("claude-sonnet-4-5", 21 + 188 + 1050, 393, 1050, 41)
CLAUDE_STREAM_USAGE = Usage("claude-sonnet-4-5", 21 + 1060, 15, 1060, None)

RECORDED = {
    "chat": Recorded("openai", JSON, json.dumps(CHAT, indent=2).encode(), CHAT_USAGE),
    "chat_stream": Recorded("openai", EVENTS, events(CHAT_CHUNKS), STREAM_USAGE),
    "response": Recorded("openai", JSON, compact(RESPONSE).encode(), RESPONSE_USAGE),
    "response_stream": Recorded(
        "openai", EVENTS, events(RESPONSE_EVENTS, named=True), RESPONSE_USAGE
    ),
    "embeddings": Recorded("openai", JSON, json.dumps(EMBEDDINGS).encode(), EMBEDDINGS_USAGE),
    "claude": Recorded("anthropic", JSON, compact(CLAUDE).encode(), CLAUDE_USAGE),
    "claude_stream": Recorded(
        "anthropic", EVENTS, events(CLAUDE_EVENTS, named=True), CLAUDE_STREAM_USAGE
    ),
    "claude_stream_crlf": Recorded(
        "anthropic",
        EVENTS,
        b"\xef\xbb\xbf: hello\r\n\r\n" + events(CLAUDE_EVENTS, named=True, end="\r\n"),
        CLAUDE_STREAM_USAGE,
    ),
}


def open_for(recorded: Recorded, coding: bytes = b"") -> UsageReader:
    return open_reader(recorded.form, recorded.kind, coding)


def read(form: str, kind: bytes, pieces: Iterable[bytes], coding: bytes = b"") -> Usage:
    reader = open_reader(form, kind, coding)
    for piece in pieces:
        reader.feed(piece)
    return reader.usage()
