"""Ports, and whose answer counts."""

import socket
import threading
from collections.abc import Iterator

import pytest

from momentry.supervisor import network
from momentry.supervisor.errors import CannotStartError


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server


def port_of(server: socket.socket) -> int:
    return int(server.getsockname()[1])


def answering(server: socket.socket, answer: bytes) -> threading.Thread:
    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_a_taken_port_is_found_even_when_it_could_be_shared(listener: socket.socket) -> None:
    with pytest.raises(CannotStartError, match=rf"Port {port_of(listener)} .* --port"):
        network.demand_free("127.0.0.1", port_of(listener))


def test_a_taken_preference_gives_another_port(listener: socket.socket) -> None:
    assert network.free_port(port_of(listener)) != port_of(listener)


@pytest.mark.parametrize(
    ("answer", "ready"),
    [
        (b"HTTP/1.1 200 OK\r\nX-Momentry-Instance: mine\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nX-Momentry-Instance: orphan\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\n\r\n", False),
        (b"HTTP/1.1 503 Service Unavailable\r\nX-Momentry-Instance: mine\r\n\r\n", False),
        (b"", False),
        (b"nonsense", False),
    ],
)
def test_only_our_own_instance_can_be_ready(
    listener: socket.socket, answer: bytes, ready: bool
) -> None:
    thread = answering(listener, answer)

    assert network.ready("127.0.0.1", port_of(listener), "mine") is ready
    thread.join()


def test_nobody_listening_is_not_ready() -> None:
    assert not network.ready("127.0.0.1", network.free_port(0), "mine")


@pytest.mark.parametrize(
    "form",
    [
        "postgresql://user:pa55word@127.0.0.1:{port}/db",
        "postgresql://user:pa55word@/db?host=/nowhere",
        "postgresql://user:pa55word@/db?host=127.0.0.1&port={port}",
    ],
)
def test_an_unreachable_server_is_one_sentence_without_the_password(form: str) -> None:
    url = form.format(port=network.free_port(0))

    with pytest.raises(CannotStartError, match=r"DATABASE_URL: .* cannot be reached") as refusal:
        network.demand_listening("DATABASE_URL", url, 5432)

    assert "pa55word" not in str(refusal.value)


@pytest.mark.parametrize(
    ("status", "refused"), [(401, True), (403, True), (200, False), (503, False)]
)
def test_a_key_is_refused_by_the_gateway_s_word_only(
    listener: socket.socket, status: int, refused: bool
) -> None:
    thread = answering(listener, b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)

    found = network.refuses("127.0.0.1", port_of(listener), "muser_x")

    thread.join()
    assert found is refused


def test_a_server_that_listens_will_do(listener: socket.socket) -> None:
    network.demand_listening("REDIS_URL", f"redis://127.0.0.1:{port_of(listener)}/0", 6379)

    listener.settimeout(3)
    connection, peer = listener.accept()
    connection.close()
    assert peer[0] == "127.0.0.1"
