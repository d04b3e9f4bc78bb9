"""PRX-17 with a real client and a real server of WebSockets, compression and pings included."""

import threading
from collections.abc import Iterator

import pytest
from websockets.exceptions import InvalidStatus

from apikeys.services.keys import revoke_key
from momentry.common.fence.wait import wait
from tests import make
from tests.gateway.conftest import Database, Start
from tests.gateway.processes import Gateway
from tests.gateway.talks import goes_on, member_key, talk, talking, told
from tests.gateway.test_revocation import row
from tests.gateway.wire import within


@pytest.fixture(scope="module")
def chat(database: Database) -> Iterator[str]:
    with talking(database, "chat") as slug:
        yield slug


@pytest.fixture
def secret(database: Database, chat: str) -> str:
    return member_key(database, chat)


def test_messages_of_all_sizes_come_back(gateway: Gateway, secret: str) -> None:
    with talk(gateway, secret, "chat") as chatting:
        assert chatting.protocol.extensions  # permessage-deflate was agreed on through us
        for message in ("", "grüße", "x" * 200_000, b"\x00\xff" * 70_000, b"z" * (5 << 20)):
            chatting.send(message)
            assert chatting.recv(timeout=5) == message
        assert chatting.ping().wait(5)
    assert chatting.close_code == 1000


def test_without_a_key_the_client_is_told_401(gateway: Gateway, chat: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        talk(gateway, "muser_wrong", chat)
    assert refused.value.response.status_code == 401


def test_a_revoked_key_is_told_1008_and_why(start: Start, database: Database, secret: str) -> None:
    gateway = start(2).wait_until_ready()
    with talk(gateway, secret, "chat") as chatting:
        assert goes_on(chatting)
        with database.rows():
            revoke_key(row(secret), actor="test")
            wait()
        assert told(chatting, 1) == (1008, "key_revoked")
    with pytest.raises(InvalidStatus):
        talk(gateway, secret, "chat")


def test_many_clients_come_and_go_and_leave_nothing(
    gateway: Gateway, database: Database, secret: str, chat: str
) -> None:
    with database.rows():
        watcher = make.service_key("metrics").secret

    def count() -> None:
        with talk(gateway, secret, "chat") as chatting:
            for number in range(20):
                chatting.send(str(number))
                assert chatting.recv(timeout=5) == str(number)

    threads = [threading.Thread(target=count) for _ in range(30)]
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
