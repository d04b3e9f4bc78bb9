"""AUTH-03 to AUTH-07: every failing credential shape, on every route that takes a key, raw."""

import json
import socket

import httpx2
import pytest

pytestmark = pytest.mark.slow
ROUTES = (
    "/proxy/echo/x", "/proxy/nowhere/x", "/v1/models", "/api/v1/me", "/api/v1/admin/users",
    "/api/v1/admin/keys", "/api/v1/%61dmin/keys", "/%61pi/v1/me", "/api/v1/keys/verify",
    "/api/v1/keys/settle", "/auth/verify", "/metrics",
)  # fmt: skip


@pytest.fixture(scope="module")
def key(stack) -> str:
    answer = httpx2.post(
        f"{stack.url}/api/v1/admin/users",
        headers={"Authorization": f"Bearer {stack.admin_token}"},
        json={"username": "shapes", "tier": "enterprise"},
    )
    secret: str = answer.json()["api_key"]
    return secret


def shapes(key: str) -> list[tuple[str, bytes]]:
    """Name and header lines, all of which must fail."""
    good = key.encode()
    other = (key[:-1] + ("0" if key[-1] != "0" else "1")).encode()
    return [
        ("none", b""),
        ("empty", b"X-API-Key: \r\n"),
        ("blank bearer", b"Authorization: Bearer \r\n"),
        ("no scheme", b"Authorization: " + good + b"\r\n"),
        ("basic", b"Authorization: Basic " + good + b"\r\n"),
        ("digest", b"Authorization: Digest " + good + b"\r\n"),
        ("cookie", b"Cookie: X-API-Key=" + good + b"; api_key=" + good + b"\r\n"),
        ("twice", b"X-API-Key: " + good + b"\r\nX-API-Key: " + good + b"\r\n"),
        ("two names", b"X-API-Key: " + good + b"\r\napi-key: " + good + b"\r\n"),
        ("beside basic", b"Authorization: Basic eDp5\r\nX-API-Key: " + good + b"\r\n"),
        ("a list", b"X-API-Key: " + good + b", " + good + b"\r\n"),
        ("underscores", b"X_API_Key: " + good + b"\r\n"),
        ("underscores too", b"api_key: " + good + b"\r\n"),
        ("one changed", b"X-API-Key: " + other + b"\r\n"),
        ("upper case", b"X-API-Key: " + good.upper() + b"\r\n"),
        ("truncated", b"X-API-Key: " + good[:-1] + b"\r\n"),
        ("padded", b"X-API-Key: " + good + b"=\r\n"),
        ("quoted", b'X-API-Key: "' + good + b'"\r\n'),
        ("not ascii", b"X-API-Key: \xff\xfe" + good + b"\r\n"),
        ("long", b"X-API-Key: " + b"a" * 20_000 + b"\r\n"),
        ("nul", b"X-API-Key: " + good + b"\0\r\n"),
        ("folded", b"X-API-Key: " + good[:40] + b"\r\n " + good[40:] + b"\r\n"),
        ("sql", b"X-API-Key: ' OR 1=1 --\r\n"),
        ("decision", b"X-Momentry-Decision: v1.e30.AAAA\r\n"),
        ("identity", b"X-Momentry-User-Id: root\r\nX-Momentry-Key-Id: x\r\n"),
    ]


def ask(stack, path: str, headers: bytes) -> tuple[int, dict[str, object]]:
    """Status and problem document of one raw request."""
    with socket.create_connection(("127.0.0.1", stack.port), timeout=10) as wire:
        wire.sendall(
            b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s\r\n" % (path.encode(), headers)
        )
        raw = b""
        while piece := wire.recv(65536):
            raw += piece
    head, _, body = raw.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), json.loads(body) if body.startswith(b"{") else {}


@pytest.mark.parametrize("path", ROUTES)
def test_no_failing_shape_passes_and_none_is_a_fault(stack, key, path):
    for name, headers in shapes(key):
        status, body = ask(stack, path, headers)

        assert status in {400, 401, 403, 431}, (name, status, body)
        assert body["code"], name
        assert key not in str(body)


def test_a_key_in_the_query_or_the_path_does_not_count(stack, key):
    for path in (f"/api/v1/me?api_key={key}&x-api-key={key}", f"/proxy/echo/{key}"):
        assert ask(stack, path, b"")[1]["code"] == "missing_key"


def test_the_same_key_passes_where_it_belongs(stack, key):
    for header in ("X-API-Key: ", "api-key: ", "Authorization: Bearer "):
        for path in ("/api/v1/me", "/proxy/echo/x"):
            assert ask(stack, path, f"{header}{key}\r\n".encode())[0] == 200


def test_the_admin_token_is_nothing_outside_the_admin_api(stack):
    bearer = f"Authorization: Bearer {stack.admin_token}\r\n".encode()

    outside = {ask(stack, path, bearer)[1].get("code") for path in ROUTES if "admin" not in path}

    assert outside == {"invalid_key"}
    assert ask(stack, "/api/v1/admin/keys", bearer)[0] == 200
