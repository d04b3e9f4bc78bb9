"""WebSockets with a real client and a real server, and keys of their own to come with."""

import contextlib
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve

from apikeys.models import Grant
from tests import make
from tests.gateway.conftest import Database
from tests.gateway.processes import Gateway

LONGEST = 1 << 24  # bytes of a message


def echo(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(message)


@contextlib.contextmanager
def talking(database: Database, slug: str, **given: Any) -> Iterator[str]:
    """An upstream of this name that says everything again."""
    with serve(echo, "127.0.0.1", 0, max_size=LONGEST) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with database.rows():
            make.upstream(slug, f"http://127.0.0.1:{server.socket.getsockname()[1]}", **given)
        yield slug
        server.shutdown()


def member_key(
    database: Database, slug: str, *, by_tier: bool = False, **limits: int | None
) -> str:
    """Of a new member whose tier has these limits, with a grant of their own or of the tier."""
    name = f"t{uuid.uuid4().hex[:8]}"
    with database.rows():
        make.tier(f"tier-{name}", **limits)
        member = make.member(name, tier=f"tier-{name}")
        whose = {"tier_id": f"tier-{name}"} if by_tier else {"member": member}
        Grant.objects.create(upstream=slug, **whose)
        return make.key(member).secret


def talk(
    gateway: Gateway, secret: str, slug: str
) -> contextlib.AbstractContextManager[ClientConnection]:
    return connect(
        f"ws://127.0.0.1:{gateway.port}/proxy/{slug}/room",
        additional_headers={"Authorization": f"Bearer {secret}"},
        max_size=LONGEST,
        open_timeout=5,
        close_timeout=1,
    )


def goes_on(connection: ClientConnection, word: str = "still here") -> bool:
    """Does what is said come back?"""
    connection.send(word)
    return connection.recv(timeout=5) == word


def told(connection: ClientConnection, seconds: float) -> tuple[int, str]:
    """The code and the reason of the Close frame that must come in that time."""
    with pytest.raises(ConnectionClosed) as closed:
        connection.recv(timeout=seconds)
    assert closed.value.rcvd is not None, "an end without a word"
    return closed.value.rcvd.code, closed.value.rcvd.reason


def request_id(connection: ClientConnection) -> str:
    assert connection.response is not None
    return str(connection.response.headers["X-Request-ID"])
