"""One request log row for each request, whatever became of it; no secret in any."""

from typing import Any

import pytest

from tests.gateway.conftest import Database
from tests.gateway.processes import Gateway, request, rows_of
from tests.gateway.wire import Cut, Server, Wire, within


def row_of(database: Database, request_id: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    def look() -> bool:
        found[:] = rows_of(database.conninfo, "id = %s", request_id)
        return bool(found)

    assert within(3, look)
    assert len(found) == 1
    return found[0]


def test_a_forwarded_request_leaves_one_row(
    gateway: Gateway, database: Database, key: str, upstream: Server
) -> None:
    ask = request("POST", "/proxy/echo/a?secret=1", key, "User-Agent: test/1", body=b"hello")
    answer = gateway.ask(ask)

    row = row_of(database, answer.field("x-request-id"))

    assert (row["method"], row["path"], row["status"]) == ("POST", "/proxy/echo/a", 200)
    assert (row["upstream"], row["target"]) == ("echo", f"http://127.0.0.1:{upstream.port}")
    assert row["key_id"].hex == key.split("_")[1]
    assert row["member_id"] is not None
    assert (row["bytes_in"], row["bytes_out"]) == (5, len(answer.body))
    assert 0 < row["first_byte_ms"] <= row["total_ms"] < 2000
    assert (str(row["client_address"]), row["user_agent"]) == ("127.0.0.1", "test/1")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/proxy/gone/", "upstream_unknown"),
        ("/proxy/other/", "upstream_forbidden"),
        ("/proxy/dead/", "upstream_unreachable"),
        ("/proxy/echo/..", "path_refused"),
    ],
)
def test_a_refusal_leaves_a_row_with_its_code(
    gateway: Gateway, database: Database, key: str, path: str, code: str
) -> None:
    answer = gateway.get(path, key)

    row = row_of(database, answer.field("x-request-id"))

    assert f'"code": "{code}"'.encode() in answer.body
    assert (row["code"], row["status"]) == (code, answer.status)


def test_an_unknown_key_leaves_a_row_of_nobody(gateway: Gateway, database: Database) -> None:
    answer = gateway.get("/proxy/echo/", "muser_nonsense")

    row = row_of(database, answer.field("x-request-id"))

    assert (row["key_id"], row["member_id"], row["code"]) == (None, None, "invalid_key")
    assert "nonsense" not in str(row)


@pytest.mark.parametrize("coded", ["", "m", "_"])
@pytest.mark.parametrize("path", ["/proxy/echo/", "/proxy/nope/", "/api/v1/me/keys/"])
def test_a_key_in_path_or_user_agent_is_forwarded_and_not_stored(
    gateway: Gateway, database: Database, key: str, upstream: Server, coded: str, path: str
) -> None:
    prefix, rest = (key[:6], key[6:])
    if coded:
        prefix, rest = (text.replace(coded, f"%{ord(coded):02X}") for text in (prefix, rest))
    ask = request("GET", f"{path}{prefix}{rest}/x", key, f"User-Agent: a/1 ({prefix}{rest})")
    answer = gateway.ask(ask)

    row = row_of(database, answer.field("x-request-id"))

    shown = f"{prefix}{rest[:4]}…****"
    assert (row["path"], row["user_agent"]) == (f"{path}{shown}/x", f"a/1 ({shown})")
    assert key[-20:] not in str(row)
    if path == "/proxy/echo/":
        (head,) = upstream.heads_of(f"/{prefix}{rest}/x")
        assert f": a/1 ({prefix}{rest})\r\n".encode() in head


def test_django_names_operation_and_code(
    gateway: Gateway, database: Database, django: Server
) -> None:
    raw = (
        b"HTTP/1.1 404 No\r\nX-Momentry-Operation: api/v1/videos/<id>\r\n"
        b"X-Momentry-Code: not_found\r\nContent-Length: 0\r\n\r\n"
    )
    django.on("/api/v1/videos/1", lambda wire, _: wire.send(raw))
    answer = gateway.get("/api/v1/videos/1")

    row = row_of(database, answer.field("x-request-id"))

    assert (row["operation"], row["code"]) == ("api/v1/videos/<id>", "not_found")
    assert not [name for name, _ in answer.fields if name.startswith("x-momentry")]


def test_what_is_not_api_leaves_no_row(gateway: Gateway, database: Database) -> None:
    ids = [gateway.get(path).field("x-request-id") for path in ("/admin/", "/healthz", "/readyz")]
    row_of(database, gateway.get("/api/v1/me").field("x-request-id"))

    assert rows_of(database.conninfo, "id = ANY(%s::uuid[])", ids) == []


def test_a_client_that_left_leaves_a_row(
    gateway: Gateway, database: Database, key: str, upstream: Server
) -> None:
    def wait(wire: Wire, _head: bytes) -> None:
        wire.is_closed_within(5)
        raise Cut

    upstream.on("/left", wait)
    wire = gateway.connect().send(request("GET", "/proxy/echo/left", key))
    assert within(2, lambda: bool(upstream.heads_of("/left")))
    wire.close()

    def rows() -> list[dict[str, Any]]:
        return rows_of(database.conninfo, "path = %s", "/proxy/echo/left")

    assert within(3, lambda: bool(rows()))
    assert rows()[0]["status"] == 499
