"""What Anthropic's own SDK makes of each refusal on an upstream of its format, in one request."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anthropic
import pytest
from anthropic.types import MessageParam

from tests import make
from tests.gateway.conftest import Database
from tests.gateway.limited import room
from tests.gateway.processes import Gateway, request
from tests.gateway.test_lock_out import unknown
from tests.gateway.test_sdk_refusals import change
from tests.gateway.wire import Server, within

Use = Callable[[anthropic.Anthropic], object]
Call = Callable[..., anthropic.APIStatusError]
MESSAGES: list[MessageParam] = [{"role": "user", "content": "x"}]
CASES = [
    ("revoked_at = now()", "key_revoked", "authentication_error"),
    ("quarantined_at = now()", "key_quarantined", "authentication_error"),
    ("disabled_at = now()", "key_disabled", "authentication_error"),
    ("expires_at = now()", "key_expired", "authentication_error"),
    ("allowed_networks = '{203.0.113.0/24}'", "ip_not_allowed", "permission_error"),
    ("scopes = '{}'", "insufficient_scope", "permission_error"),
]
CLASSES = {
    "authentication_error": anthropic.AuthenticationError,
    "permission_error": anthropic.PermissionDeniedError,
}


def create(client: anthropic.Anthropic) -> object:
    return client.messages.create(model="m", max_tokens=1, messages=MESSAGES)


def stream(client: anthropic.Anthropic) -> object:
    with client.messages.stream(model="m", max_tokens=1, messages=MESSAGES) as events:
        return list(events)


def anonymously(client: anthropic.Anthropic) -> object:
    bare = {"Authorization": anthropic.Omit()}
    return client.messages.create(model="m", max_tokens=1, messages=MESSAGES, extra_headers=bare)


def largely(client: anthropic.Anthropic) -> object:
    return client.messages.create(model="m" * 1000, max_tokens=1, messages=MESSAGES)


@pytest.fixture(scope="module")
def claude(running: Gateway, database: Database, upstream: Server) -> Iterator[None]:
    """Upstreams of this format, known to both processes."""
    base = f"http://127.0.0.1:{upstream.port}"
    with database.rows():
        made = [
            make.upstream("claude", base, usage_format="anthropic", max_body_bytes=1000),
            make.upstream("claude-dead", "http://127.0.0.1:9", usage_format="anthropic"),
            make.upstream("claude-off", base, usage_format="anthropic", is_active=False),
        ]
    assert within(3, lambda: all(is_anthropic(running, slug) for slug in ["claude-off"] * 8))
    yield
    with database.rows():
        for row in made:
            row.delete()


def is_anthropic(gateway: Gateway, slug: str) -> bool:
    document: dict[str, object] = json.loads(gateway.get(f"/proxy/{slug}/x").body)
    return document["type"] == "error"


@pytest.fixture
def secret(claude: None, database: Database) -> str:
    """A key of its own with one request a month."""
    name = f"claude-{uuid.uuid4().hex[:8]}"
    return database.key_for(name, "claude claude-dead claude-off", monthly=1)


@contextmanager
def requests(database: Database, mark: str, expected: int) -> Iterator[None]:
    """The request log has exactly so many of them."""
    yield
    rows = "SELECT count(*) FROM apikeys_requestlog WHERE path LIKE %s"
    assert within(3, lambda: database.fetch(rows, f"%{mark}%") == [(expected,)])


@pytest.fixture
def refused(gateway: Gateway, database: Database) -> Call:
    """Calls through the SDK as it comes (two retries) and says what it raised."""

    def call(
        secret: str, slug: str = "claude", use: Use = create, sent: int = 1
    ) -> anthropic.APIStatusError:
        mark = uuid.uuid4().hex
        base = f"http://127.0.0.1:{gateway.port}/proxy/{slug}/{mark}"
        client = anthropic.Anthropic(api_key=secret, base_url=base)
        with requests(database, mark, sent), client, pytest.raises(anthropic.APIStatusError) as got:
            use(client)
        return got.value

    return call


def told(error: anthropic.APIStatusError) -> tuple[str | None, str | None]:
    """(type, code), after what every refusal has in common."""
    body = error.body
    assert isinstance(body, dict)
    assert error.request_id == body["request_id"] == error.response.headers["x-request-id"]
    assert body["type"] == "error"
    assert body["code"] == error.error_code
    assert body["detail"] == error.api_message == body["error"]["message"]
    assert body["status"] == error.status_code
    return error.type, error.error_code


@pytest.mark.parametrize("use", [create, stream])
@pytest.mark.parametrize(("assignment", "code", "kind"), CASES)
def test_each_refusal_of_a_known_key(
    database: Database,
    secret: str,
    refused: Call,
    use: Use,
    assignment: str,
    code: str,
    kind: str,
) -> None:
    change(database, secret, assignment)

    error = refused(secret, use=use)

    assert told(error) == (kind, code)
    assert type(error) is CLASSES[kind]


def test_a_suspended_member(database: Database, secret: str, refused: Call) -> None:
    database.change(
        "UPDATE accounts_user SET status = 'suspended' WHERE id ="
        " (SELECT owner_id FROM apikeys_apikey WHERE id = %s)",
        uuid.UUID(secret.split("_")[1]),
    )

    error = refused(secret)

    assert told(error) == ("permission_error", "member_suspended")
    assert type(error) is anthropic.PermissionDeniedError


def test_an_upstream_without_a_grant(claude: None, database: Database, refused: Call) -> None:
    error = refused(database.key_for(f"claude-{uuid.uuid4().hex[:8]}", "echo"))

    assert told(error) == ("permission_error", "upstream_forbidden")
    assert type(error) is anthropic.PermissionDeniedError


@pytest.mark.parametrize("use", [create, stream])
@pytest.mark.parametrize("wrong", ["malformed", "unknown"])
def test_a_wrong_key(claude: None, refused: Call, use: Use, wrong: str) -> None:
    error = refused(unknown() if wrong == "unknown" else "sk-ant-nothing", use=use)

    assert told(error) == ("authentication_error", "invalid_key")
    assert type(error) is anthropic.AuthenticationError


def test_no_key(claude: None, refused: Call) -> None:
    error = refused("x", use=anonymously)

    assert told(error) == ("authentication_error", "missing_key")
    assert error.response.headers["www-authenticate"] == 'Bearer realm="momentry"'


@pytest.mark.parametrize("use", [create, stream])
def test_a_used_up_quota(gateway: Gateway, secret: str, refused: Call, use: Use) -> None:
    assert gateway.get("/proxy/claude/x", secret).status == 200

    error = refused(secret, use=use)

    assert told(error) == ("rate_limit_error", "quota_exceeded")
    assert type(error) is anthropic.RateLimitError
    assert int(error.response.headers["retry-after"]) > 0
    assert error.response.headers["content-type"] == "application/problem+json"


def test_a_full_minute_says_when_to_come_back(
    gateway: Gateway, database: Database, secret: str, refused: Call
) -> None:
    database.change(
        "UPDATE apikeys_tier SET requests_per_minute = 1, requests_per_month = NULL WHERE slug ="
        " (SELECT o.tier FROM apikeys_apikey k JOIN accounts_user o ON o.id = k.owner_id"
        " WHERE k.id = %s)",
        uuid.UUID(secret.split("_")[1]),
    )
    room(5)
    assert gateway.get("/proxy/claude/x", secret).status == 200

    error = refused(secret)

    assert told(error) == ("rate_limit_error", "rate_limited")
    assert type(error) is anthropic.RateLimitError
    assert 0 < int(error.response.headers["retry-after"]) <= 60
    assert error.response.headers["x-should-retry"] == "false"


def test_a_body_that_is_too_large(secret: str, refused: Call) -> None:
    error = refused(secret, use=largely)

    assert told(error) == ("invalid_request_error", "body_too_large")
    assert type(error) is anthropic.ContentTooLargeError


@pytest.mark.parametrize(
    ("slug", "code", "kind", "error_class"),
    [
        ("claude-dead", "upstream_unreachable", "api_error", anthropic.InternalServerError),
        ("claude-off", "upstream_unavailable", "overloaded_error",
         anthropic.ServiceUnavailableError),
    ],
)  # fmt: skip
def test_what_may_succeed_later_is_tried_again(
    claude: None,
    database: Database,
    refused: Call,
    slug: str,
    code: str,
    kind: str,
    error_class: type[Exception],
) -> None:
    error = refused(database.key_for(f"claude-{uuid.uuid4().hex[:8]}", slug), slug, sent=3)

    assert told(error) == (kind, code)
    assert type(error) is error_class


def test_a_path_that_is_refused_has_the_dialect_of_the_upstream_it_names(
    claude: None, gateway: Gateway, key: str
) -> None:
    body = json.loads(gateway.get("/proxy/claude/a/../b", key).body)

    assert (body["code"], body["error"]["type"]) == ("path_refused", "invalid_request_error")


@pytest.mark.parametrize("path", ["/proxy/echo/x", "/proxy/claude-gone/x", "/v1/x", "/api/v1/me"])
def test_anywhere_else_a_refusal_is_of_openai_s_shape(
    claude: None, gateway: Gateway, path: str
) -> None:
    answer = gateway.ask(request("GET", path, unknown()))

    body = json.loads(answer.body)
    assert (body["type"], body["error"]["code"]) == ("about:blank", "invalid_key")
    assert answer.field("request-id") == ""
