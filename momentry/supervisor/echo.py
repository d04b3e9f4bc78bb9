"""``manage.py echo``: a small upstream that answers what it was asked, for a first try."""

import argparse
import hashlib
import json
import signal
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

PIECE: Final = 64 * 1024
IDLE_SECONDS: Final = 120


class Echo(BaseHTTPRequestHandler):
    """Any method; the body, with a length or chunked, is counted and hashed, never kept."""

    protocol_version = "HTTP/1.1"
    server_version = "momentry-echo"
    sys_version = ""
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True

    def answer(self) -> None:
        digest = hashlib.sha256()
        size = 0
        try:
            for piece in self.body():
                digest.update(piece)
                size += len(piece)
        except ValueError:
            self.send_error(400, "the body's framing is wrong")
            self.close_connection = True
            return
        self.send_json({
            "method": self.command,
            "path": self.path,
            "headers": [[name.lower(), value] for name, value in self.headers.items()],
            "body": {"bytes": size, "sha256": digest.hexdigest()},
        })  # fmt: skip

    def send_json(self, answer: dict[str, Any]) -> None:
        content = (json.dumps(answer, indent=2) + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def body(self) -> Iterator[bytes]:
        """Raises ValueError when the framing is wrong or the client leaves."""
        if "chunked" in (self.headers.get("Transfer-Encoding") or "").lower():
            while size := int(self.rfile.readline(32).partition(b";")[0], 16):
                yield from self.exactly(size)
                self.rfile.readline(4)
            while self.rfile.readline(8192).strip():
                continue  # trailers
        else:
            yield from self.exactly(int(self.headers.get("Content-Length") or 0))

    def exactly(self, size: int) -> Iterator[bytes]:
        while size > 0:
            piece = self.rfile.read(min(size, PIECE))
            if not piece:
                raise ValueError("the client left")
            size -= len(piece)
            yield piece

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):  # how the base looks a method up
            return self.answer
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 the base's name
        """Nothing: the gateway logs requests."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="manage.py echo", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    options = parser.parse_args(argv)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: sys.exit(0))
    with Server((options.host, options.port), Echo) as server:
        server.serve_forever()
    return 0
