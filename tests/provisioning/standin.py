"""A stateful stand-in of another system: real HTTP on loopback, its own rules in ``answer``."""

import base64
import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit


class Heard(NamedTuple):
    """``headers``: names in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def basic(self) -> tuple[str, str]:
        scheme, _, text = self.headers.get("authorization", "").partition(" ")
        if scheme != "Basic":
            return "", ""
        name, _, password = base64.b64decode(text).decode().partition(":")
        return name, password


class Told(NamedTuple):
    status: int
    body: Any = None
    headers: Mapping[str, str] = {}


class StandIn(ABC):
    """``down``: what it answers instead of all else. ``heard``: every request, oldest first."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.down: Told | None = None
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(self))
        self.server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @abstractmethod
    def answer(self, heard: Heard) -> Told:
        """As the real one would."""

    def reply(self, heard: Heard) -> Told:
        with self.lock:
            self.heard.append(heard)
            return self.down or self.answer(heard)

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def handler_of(peer: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def serve(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            told = peer.reply(Heard(self.command, parts.path, query, headers, body))
            text = told.body if isinstance(told.body, bytes) else json.dumps(told.body).encode()
            self.send_response(told.status)
            for name, value in {"Content-Type": "application/json", **told.headers}.items():
                self.send_header(name, value)
            text = b"" if told.status == 204 else text
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve  # noqa: N815  its own names

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    return Handler
