"""PRX-19: whatever refuses a WebSocket's handshake, header, body and log row have one request id
and one code; and so for every request that a process with too much in it refuses."""

import pytest

from tests.gateway.conftest import Database, Start
from tests.gateway.handshake import ASKED
from tests.gateway.processes import Gateway, request
from tests.gateway.test_log_every_code import CASES, Place, agree, gateway, upstreams  # noqa: F401
from tests.gateway.test_overload import pour
from tests.gateway.wire import Answer, Server, within

pytestmark = pytest.mark.slow

# Those of a body, of other routes than an upstream's, and the ones that take long in either way.
OTHERWISE = {
    "request_timeout", "body_too_large", "unsupported_media_type", "invalid_input",
    "not_implemented", "upstream_busy", "database_unavailable",
}  # fmt: skip


class Shaking(Place):
    """Every call that a case makes asks for a WebSocket too."""

    def get(self, path: str, *fields: str, key: str | None = None) -> Answer:
        return super().get(path, *fields, *ASKED, key=key)


@pytest.fixture
def place(gateway: Gateway, database: Database, upstreams: str) -> Shaking:  # noqa: F811
    return Shaking(gateway, database, upstreams)


@pytest.mark.parametrize("code", CASES.keys() - OTHERWISE)
def test_header_body_and_row_agree(place: Shaking, code: str) -> None:
    for provoke in CASES[code]:
        answer = provoke(place)
        row = agree(place.database, answer, code)
        assert row["status"] != 101
    place.gateway.close_wires()


def test_too_much_waits_for_slow_clients(
    start: Start, database: Database, seeded: str, upstream: Server
) -> None:
    """Said to every kind of request, and each finds its row."""
    upstream.on("/pour", pour)
    gateway = start(1, GATEWAY_MAX_BUFFERED_MIB="1").wait_until_ready()  # noqa: F811
    call = request("GET", "/proxy/echo/pour", seeded)
    found: list[Answer] = []

    def is_heavy() -> bool:
        gateway.connect().send(call)
        found.append(gateway.get("/proxy/echo/x", seeded))
        return found[-1].status == 503

    assert within(30, is_heavy, pause=0.3)

    agree(database, found[-1], "overloaded")
    row = agree(database, gateway.get("/proxy/echo/x", seeded, *ASKED), "overloaded")
    assert (row["method"], row["path"], row["key_id"]) == ("GET", "/proxy/echo/x", None)
    agree(database, gateway.get("/admin/"), "overloaded")
    agree(database, gateway.get("/api/v1/me", seeded), "overloaded")
    posted = gateway.ask(request("POST", "/proxy/echo/x", seeded, "Content-Length: 9"))
    agree(database, posted, "overloaded")
    gateway.close_wires()
    assert within(3, lambda: gateway.get("/proxy/echo/x", seeded).status == 200)
