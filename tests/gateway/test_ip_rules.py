"""Global IP rules on every route, followed within half a second; a key's own networks."""

import time
from collections.abc import Iterator

import pytest

from apikeys.models import ApiKey
from tests.gateway.conftest import Database, Start
from tests.gateway.processes import Gateway
from tests.gateway.wire import Server, within

ROUTES = (
    "/proxy/echo/x", "/proxy/no_slug/x", "/proxy/echo/../x", "/v1/models", "/api/v1/me",
    "/api/v1/keys/verify", "/api/v1/webhooks/wordpress", "/admin/", "/claim/x", "/static/x",
    "/api/docs/", "/auth/verify", "/metrics", "/%61dmin/",
)  # fmt: skip
BLOCKED, NEIGHBOUR = "198.51.100.7", "198.51.100.8"


def rule(database: Database, network: str, kind: str, expires: str = "NULL") -> None:
    database.change(
        "INSERT INTO apikeys_iprule (network, kind, note, created_at, expires_at)"
        f" VALUES (%s, %s, '', now(), {expires})",
        network,
        kind,
    )


@pytest.fixture
def behind(start: Start) -> Gateway:
    """A gateway whose clients name their address through a trusted proxy."""
    return start(TRUSTED_PROXIES="127.0.0.1").wait_until_ready()


@pytest.fixture
def rules(database: Database) -> Iterator[Database]:
    yield database
    database.change("DELETE FROM apikeys_iprule")


def code(gateway: Gateway, path: str, address: str, key: str = "") -> tuple[int, bool]:
    """The status, and was it the rule that refused?"""
    answer = gateway.get(path, key, f"X-Forwarded-For: {address}")
    return answer.status, b'"ip_blocked"' in answer.body


def is_blocked(gateway: Gateway, address: str) -> bool:
    return code(gateway, "/admin/", address) == (403, True)


def test_a_block_holds_on_every_route_with_a_key_and_without(
    behind: Gateway, rules: Database, key: str, django: Server
) -> None:
    rule(rules, "198.51.100.7/32", "block")
    assert within(1, lambda: is_blocked(behind, BLOCKED))
    django.heads.clear()

    for path in ROUTES:
        for secret in ("", key, "nonsense"):
            assert code(behind, path, BLOCKED, secret) == (403, True), path
        assert not code(behind, path, NEIGHBOUR, "")[1]
    assert not [head for head in django.heads if BLOCKED.encode() in head]
    for path in ("/healthz", "/readyz"):
        assert code(behind, path, BLOCKED)[0] == 200


def test_rules_are_followed_within_half_a_second_each_way(behind: Gateway, rules: Database) -> None:
    waits = []
    for blocks in (True, False):
        if blocks:
            rule(rules, "198.51.100.0/24", "block")
        else:
            rules.change("DELETE FROM apikeys_iprule")
        began = time.monotonic()
        while is_blocked(behind, BLOCKED) is not blocks:
            assert time.monotonic() - began < 2
            time.sleep(0.01)
        waits.append(time.monotonic() - began)

    assert max(waits) < 0.75  # half a second, and what this machine adds


def clear(database: Database) -> None:
    database.change("DELETE FROM apikeys_iprule")


def test_an_allowed_network_within_a_blocked_one_is_let_in(
    behind: Gateway, rules: Database, key: str
) -> None:
    rule(rules, "198.51.100.0/24", "block")
    rule(rules, "198.51.100.8/32", "allow")
    assert within(1, lambda: is_blocked(behind, BLOCKED))

    assert code(behind, "/proxy/echo/x", NEIGHBOUR, key) == (200, False)


def test_an_expired_rule_is_none_and_a_rule_expires_by_itself(
    behind: Gateway, rules: Database
) -> None:
    rule(rules, "198.51.100.8/32", "block", "now() - interval '1 second'")
    rule(rules, "198.51.100.7/32", "block", "now() + interval '1 second'")

    assert within(1, lambda: is_blocked(behind, BLOCKED))
    assert not is_blocked(behind, NEIGHBOUR)
    assert within(2, lambda: not is_blocked(behind, BLOCKED))


def test_a_rule_meets_every_spelling_of_an_address(behind: Gateway, rules: Database) -> None:
    rule(rules, "198.51.100.7/32", "block")
    rule(rules, "2001:db8::/32", "block")
    assert within(1, lambda: is_blocked(behind, BLOCKED))

    for spelling in ("::ffff:198.51.100.7", "198.51.100.7:443", "2001:DB8::1", "[2001:db8::2]:1"):
        assert is_blocked(behind, spelling), spelling


def test_a_forged_forwarding_header_changes_nothing(gateway: Gateway, rules: Database) -> None:
    """Without a trusted proxy the socket's other end is the client."""
    rule(rules, "198.51.100.7/32", "block")
    time.sleep(0.6)

    assert not is_blocked(gateway, BLOCKED)


def test_a_blocked_api_call_has_its_log_row(behind: Gateway, rules: Database) -> None:
    rule(rules, "198.51.100.7/32", "block")
    assert within(1, lambda: is_blocked(behind, BLOCKED))

    answer = behind.get("/proxy/echo/x", "", f"X-Forwarded-For: {BLOCKED}")

    assert "x-should-retry" in [name for name, _ in answer.fields]
    query = "SELECT code, host(client_address::inet) FROM apikeys_requestlog WHERE id = %s"
    assert within(2, lambda: rules.fetch(query, answer.field("x-request-id")) != [])
    assert rules.fetch(query, answer.field("x-request-id")) == [("ip_blocked", BLOCKED)]


def test_a_keys_own_networks(seeded: str, behind: Gateway, database: Database) -> None:
    secret = database.key_for("networked", "echo")
    with database.rows():
        ApiKey.objects.filter(pk=secret.split("_")[1]).update(
            allowed_networks=["203.0.113.0/24", "2001:db8:5::/48"]
        )

    def ask(address: str) -> tuple[int, bool]:
        answer = behind.get("/proxy/echo/x", secret, f"X-Forwarded-For: {address}")
        return answer.status, b'"ip_not_allowed"' in answer.body

    assert within(5, lambda: ask("203.0.113.9") == (200, False))  # the upstream may be new to it
    assert ask("203.0.113.9") == ask("2001:db8:5::1") == ask("::ffff:203.0.113.9") == (200, False)
    assert ask("203.0.114.9") == ask("2001:db8:6::1") == (403, True)


def test_a_gateway_that_never_read_the_rules_lets_no_key_in(start: Start, key: str) -> None:
    nowhere = "postgresql://nobody:secret-word@127.0.0.1:9/none"
    gateway = start(DATABASE_URL=nowhere, DB_ACQUIRE_TIMEOUT_SECONDS="0.2").wait_until_listening()

    answer = gateway.get("/api/v1/me", key)

    assert (answer.status, b"database_unavailable" in answer.body) == (503, True)
    assert answer.field("retry-after")
    assert gateway.get("/healthz").status == 200
