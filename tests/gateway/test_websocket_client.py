"""PRX-17 with a real client and a real server of WebSockets, compression and pings included."""

import threading
import uuid
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.sync.server import Server, ServerConnection, serve

from apikeys.services.keys import revoke_key
from momentry.common.fence.wait import wait
from tests import make
from tests.gateway.conftest import Database, Start
from tests.gateway.processes import Gateway
from tests.gateway.test_revocation import row
from tests.gateway.wire import within


def echo(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(message)


@pytest.fixture(scope="module")
def chat(database: Database) -> Iterator[Server]:
    with serve(echo, "127.0.0.1", 0, max_size=1 << 24) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with database.rows():
            make.upstream("chat", f"http://127.0.0.1:{server.socket.getsockname()[1]}")
        yield server
        server.shutdown()


@pytest.fixture
def secret(database: Database, chat: Server) -> str:
    return database.key_for(f"c{uuid.uuid4().hex[:8]}", "chat")


def address(gateway: Gateway) -> str:
    return f"ws://127.0.0.1:{gateway.port}/proxy/chat/room"


def key(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_messages_of_all_sizes_come_back(gateway: Gateway, secret: str) -> None:
    with connect(address(gateway), additional_headers=key(secret), max_size=1 << 24) as chatting:
        assert chatting.protocol.extensions  # permessage-deflate was agreed on through us
        for message in ("", "grüße", "x" * 200_000, b"\x00\xff" * 70_000, b"z" * (5 << 20)):
            chatting.send(message)
            assert chatting.recv(timeout=5) == message
        assert chatting.ping().wait(5)
    assert chatting.close_code == 1000


def test_without_a_key_the_client_is_told_401(gateway: Gateway, chat: Server) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(address(gateway), additional_headers=key("muser_wrong"))
    assert refused.value.response.status_code == 401


def test_a_revoked_key_is_told_1008_and_why(start: Start, database: Database, secret: str) -> None:
    gateway = start(2).wait_until_ready()
    with connect(address(gateway), additional_headers=key(secret)) as chatting:
        chatting.send("still here")
        assert chatting.recv(timeout=5) == "still here"
        with database.rows():
            revoke_key(row(secret), actor="test")
            wait()
        with pytest.raises(ConnectionClosed) as closed:
            chatting.recv(timeout=2)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "key_revoked")
    with pytest.raises(InvalidStatus):
        connect(address(gateway), additional_headers=key(secret))


def test_many_clients_come_and_go_and_leave_nothing(
    gateway: Gateway, database: Database, secret: str, chat: Server
) -> None:
    with database.rows():
        watcher = make.service_key("metrics").secret

    def talk() -> None:
        with connect(address(gateway), additional_headers=key(secret)) as chatting:
            for number in range(20):
                chatting.send(str(number))
                assert chatting.recv(timeout=5) == str(number)

    threads = [threading.Thread(target=talk) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert within(3, lambda: running(gateway, watcher) == 1)


def running(gateway: Gateway, watcher: str) -> int:
    """Requests that the gateway has not ended, this very one included."""
    lines = gateway.get("/metrics", watcher).body.decode().splitlines()
    (line,) = (line for line in lines if line.startswith("momentry_gateway_requests_in_flight"))
    return int(float(line.split()[1]))
