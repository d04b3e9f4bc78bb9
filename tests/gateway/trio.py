"""An upstream of several targets: servers of this process, or processes that can be killed."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from proxy.models import Target
from tests import make
from tests.gateway.conftest import Database
from tests.gateway.wire import Server, tcp_server, within

# Answers every request with its own number; keeps connections.
PROGRAM = """
import http.server, sys
class Here(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        with open(sys.argv[2], "ab", 0) as file:
            file.write(self.command.encode() + b" " + self.path.encode() + b"\\n")
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_POST = do_PUT = do_DELETE = do_GET
    def log_message(self, *args):
        pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True
Server(("127.0.0.1", int(sys.argv[1])), Here).serve_forever()
"""


def base(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def upstream_of(
    database: Database, slug: str, *ports: int, weights: str = "", **given: object
) -> str:
    """Its slug, and a key's secret by key_for() beside it. ``weights``: a digit for each target."""
    with database.rows():
        made = make.upstream(slug, base(ports[0]), **given)
        for port in ports[1:]:
            Target.objects.create(upstream=made, base_url=base(port))
        for port, weight in zip(ports, weights, strict=False):
            made.targets.filter(base_url=base(port)).update(weight=int(weight))
    database.settle()
    return slug


def end_probes(database: Database, slug: str) -> None:
    """Before its servers go: gateways of later tests follow this row too, and would probe whoever
    listens on that port then, who counts what it is asked."""
    database.execute("UPDATE proxy_upstream SET health_path = '' WHERE slug = %s", slug)


@contextlib.contextmanager
def servers(count: int) -> Iterator[list[Server]]:
    made = [tcp_server() for _ in range(count)]
    try:
        yield made
    finally:
        for server in made:
            server.stop()


def free_port() -> int:
    """Of one that nobody listens on; it is not given away while it is remembered."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Killable:
    """A target as a process. ``asked``: how many requests it has answered."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.file = directory / f"asked-{self.port}"
        self.file.touch()
        self.process = self.begin()

    def begin(self) -> "subprocess.Popen[bytes]":
        arguments = [sys.executable, "-c", PROGRAM, str(self.port), str(self.file)]
        return subprocess.Popen(arguments)

    def wait(self) -> "Killable":
        assert within(20, self.answers)
        return self

    def answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def again(self) -> None:
        self.process = self.begin()

    @property
    def asked(self) -> int:
        return len(self.file.read_bytes().splitlines())


@contextlib.contextmanager
def killables(directory: Path, count: int) -> Iterator[list[Killable]]:
    made = [Killable(directory) for _ in range(count)]
    try:
        yield [each.wait() for each in made]
    finally:
        for each in made:
            if each.process.poll() is None:
                each.kill()
