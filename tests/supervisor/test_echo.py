"""The bundled echo upstream over real sockets."""

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from momentry.supervisor.echo import Echo, Server

EMPTY = hashlib.sha256(b"").hexdigest()


@pytest.fixture
def port() -> Iterator[int]:
    with Server(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


def ask(port: int, *requests: bytes) -> list[tuple[int, Any]]:
    """Send the requests on one connection; status and JSON body of each answer."""
    answers = []
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        stream = connection.makefile("rb")
        for request in requests:
            connection.sendall(request)
            status = int(stream.readline().split()[1])
            length = 0
            while line := stream.readline().strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            head = request.startswith(b"HEAD")
            answers.append((status, json.loads(stream.read(length)) if length and not head else ""))
        stream.close()
    return answers


def test_it_answers_what_it_was_asked(port: int) -> None:
    [(status, answer)] = ask(port, b"GET /a?b=c HTTP/1.1\r\nHost: echo\r\nX-Two: 2\r\n\r\n")

    assert status == 200
    assert answer == {
        "method": "GET",
        "path": "/a?b=c",
        "headers": [["host", "echo"], ["x-two", "2"]],
        "body": {"bytes": 0, "sha256": EMPTY},
    }


def test_a_body_with_a_length_and_a_chunked_one_hash_alike(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: echo\r\n"
    plain = head + b"Content-Length: 6\r\n\r\nabcdef"
    chunked = (
        head + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3;x=y\r\ndef\r\n0\r\nT: 1\r\n\r\n"
    )

    answers = ask(port, plain, chunked, plain)

    expected = {"bytes": 6, "sha256": hashlib.sha256(b"abcdef").hexdigest()}
    assert [answer["body"] for _, answer in answers] == [expected] * 3


@pytest.mark.parametrize("method", [b"DELETE", b"PATCH", b"BREW"])
def test_any_method_is_answered(port: int, method: bytes) -> None:
    [(status, answer)] = ask(port, method + b" / HTTP/1.1\r\nHost: echo\r\n\r\n")

    assert (status, answer["method"]) == (200, method.decode())


def test_head_has_no_body(port: int) -> None:
    request = b"HEAD / HTTP/1.1\r\nHost: echo\r\n\r\n"

    assert [status for status, _ in ask(port, request, request)] == [200, 200]
