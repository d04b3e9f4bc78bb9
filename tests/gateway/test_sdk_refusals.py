"""What OpenAI's own SDK makes of each refusal: the right exception, after one request."""

import os
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from redis import Redis

from tests.gateway.conftest import Database, Start
from tests.gateway.limited import limited, room
from tests.gateway.processes import Gateway
from tests.gateway.test_lock_out import forget, unknown
from tests.gateway.wire import Answer, Server, within

Call = Callable[[Gateway, str, str], openai.APIStatusError]


@pytest.fixture
def secret(database: Database) -> str:
    """A key of its own with one request a month, granted on echo."""
    return database.key_for(f"sdk-{uuid.uuid4().hex[:8]}", "echo", monthly=1)


@pytest.fixture
def refused(database: Database) -> Iterator[Call]:
    """Calls through the SDK as it comes (two retries) and says what it raised, after how many
    requests the request log has."""
    clients: list[openai.OpenAI] = []

    def call(gateway: Gateway, secret: str, upstream: str) -> openai.APIStatusError:
        mark = f"/proxy/{upstream}/{uuid.uuid4().hex}"
        client = openai.OpenAI(api_key=secret, base_url=f"http://127.0.0.1:{gateway.port}{mark}")
        clients.append(client)
        with pytest.raises(openai.APIStatusError) as raised:
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
        rows = "SELECT count(*) FROM apikeys_requestlog WHERE path LIKE %s"
        pattern = f"%{mark.rsplit('/', maxsplit=1)[-1]}%"
        assert within(3, lambda: database.fetch(rows, pattern) != [(0,)])
        assert database.fetch(rows, pattern) == [(1,)]
        return raised.value

    yield call
    for client in clients:
        client.close()


def change(database: Database, secret: str, assignment: str) -> None:
    database.change(
        f"UPDATE apikeys_apikey SET {assignment} WHERE id = %s", uuid.UUID(secret.split("_")[1])
    )


@pytest.mark.parametrize(
    ("assignment", "code", "kind"),
    [
        ("revoked_at = now()", "key_revoked", openai.AuthenticationError),
        ("quarantined_at = now()", "key_quarantined", openai.AuthenticationError),
        ("disabled_at = now()", "key_disabled", openai.AuthenticationError),
        ("expires_at = now()", "key_expired", openai.AuthenticationError),
        ("allowed_networks = '{203.0.113.0/24}'", "ip_not_allowed", openai.PermissionDeniedError),
        ("scopes = '{}'", "insufficient_scope", openai.PermissionDeniedError),
    ],
)
def test_each_refusal_of_a_known_key(
    gateway: Gateway,
    database: Database,
    secret: str,
    refused: Call,
    assignment: str,
    code: str,
    kind: type[Exception],
) -> None:
    change(database, secret, assignment)

    error = refused(gateway, secret, "echo")

    assert isinstance(error, kind)
    assert error.code == code
    assert error.request_id == error.response.headers["x-request-id"]


def test_a_suspended_member(
    gateway: Gateway, database: Database, secret: str, refused: Call
) -> None:
    database.change(
        "UPDATE accounts_user SET status = 'suspended' WHERE id ="
        " (SELECT owner_id FROM apikeys_apikey WHERE id = %s)",
        uuid.UUID(secret.split("_")[1]),
    )

    error = refused(gateway, secret, "echo")

    assert (type(error), error.code) == (openai.PermissionDeniedError, "member_suspended")


def test_an_upstream_without_a_grant(gateway: Gateway, secret: str, refused: Call) -> None:
    error = refused(gateway, secret, "based")

    assert (type(error), error.code) == (openai.PermissionDeniedError, "upstream_forbidden")


def test_an_unknown_upstream(gateway: Gateway, key: str, refused: Call) -> None:
    error = refused(gateway, key, "gone")

    assert (type(error), error.code) == (openai.NotFoundError, "upstream_unknown")


@pytest.mark.parametrize("wrong", ["malformed", "unknown"])
def test_a_wrong_key(gateway: Gateway, refused: Call, wrong: str) -> None:
    error = refused(gateway, unknown() if wrong == "unknown" else "sk-nothing", "echo")

    assert (type(error), error.code) == (openai.AuthenticationError, "invalid_key")


def test_a_used_up_quota(gateway: Gateway, secret: str, refused: Call, upstream: Server) -> None:
    gateway.get("/proxy/echo/x", secret)

    error = refused(gateway, secret, "echo")

    assert isinstance(error, openai.RateLimitError)
    assert (error.code, error.type) == ("quota_exceeded", "insufficient_quota")
    assert int(error.response.headers["retry-after"]) > 0


def test_a_full_minute(gateway: Gateway, database: Database, refused: Call, seeded: str) -> None:
    secret = limited(database, requests_per_minute=1)
    room(5)
    assert gateway.get("/proxy/echo/x", secret).status == 200

    error = refused(gateway, secret, "echo")

    assert isinstance(error, openai.RateLimitError)
    assert error.code == "rate_limited"
    assert 0 < int(error.response.headers["retry-after"]) <= 60


def test_a_locked_out_address(start: Start, key: str, refused: Call) -> None:
    client = Redis.from_url(os.environ["REDIS_URL"])
    forget(client)
    try:
        gateway = start(RATE_LIMIT_MAX_ATTEMPTS="5").wait_until_ready()
        for _ in range(5):
            gateway.get("/proxy/echo/x", unknown())

        error = refused(gateway, unknown(), "echo")
    finally:
        forget(client)
        client.close()

    assert (type(error), error.code) == (openai.RateLimitError, "locked_out")


def test_a_blocked_address(gateway: Gateway, database: Database, key: str, refused: Call) -> None:
    database.change(
        "INSERT INTO apikeys_iprule (network, kind, note, created_at)"
        " VALUES ('127.0.0.0/8', 'block', '', now())"
    )
    try:
        assert within(1, lambda: all(is_blocked(gateway.get("/x")) for _ in range(8)))
        error = refused(gateway, key, "echo")
    finally:
        database.change("DELETE FROM apikeys_iprule")
        assert within(2, lambda: not any(is_blocked(gateway.get("/x")) for _ in range(8)))

    assert (type(error), error.code) == (openai.PermissionDeniedError, "ip_blocked")


def is_blocked(answer: Answer) -> bool:
    return answer.status == 403


def test_what_may_succeed_later_is_tried_again(
    gateway: Gateway, key: str, database: Database
) -> None:
    """The other side: 502 is worth a retry, so the SDK's own two follow."""
    mark = uuid.uuid4().hex
    base = f"http://127.0.0.1:{gateway.port}/proxy/dead/{mark}"
    client = openai.OpenAI(api_key=key, base_url=base)
    with client, pytest.raises(openai.InternalServerError) as raised:
        client.models.list()

    rows: Any = "SELECT count(*) FROM apikeys_requestlog WHERE path LIKE %s"
    assert raised.value.code == "upstream_unreachable"
    assert within(3, lambda: database.fetch(rows, f"%{mark}%") == [(3,)])
