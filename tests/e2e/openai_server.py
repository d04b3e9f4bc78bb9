"""A stand-in for an OpenAI-shaped vendor: checks its own key, answers whole or as a stream."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-vendor-0123456789abcdef"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Vendor"

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append({name.lower(): value for name, value in self.headers.items()})
        if self.headers["Authorization"] != f"Bearer {KEY}":
            self.answer(401, {"error": {"message": "wrong key", "type": "invalid_request_error"}})
        elif body.get("stream"):
            self.stream(body["model"])
        else:
            self.answer(200, completion(body["model"], "message", "Hello from the vendor"))

    def answer(self, status: int, document: Any) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self, model: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for word in ("Hello", " from", " the", " vendor"):
            self.event(json.dumps(completion(model, "delta", word)))
        self.event("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def event(self, text: str) -> None:
        data = f"data: {text}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()


def completion(model: str, place: str, text: str) -> dict[str, Any]:
    choice = {"index": 0, place: {"role": "assistant", "content": text}, "finish_reason": None}
    if place == "message":
        choice["finish_reason"] = "stop"
    kind = "chat.completion" if place == "message" else "chat.completion.chunk"
    return {"id": "c1", "object": kind, "created": 1, "model": model, "choices": [choice]}


class Vendor(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[dict[str, str]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"
