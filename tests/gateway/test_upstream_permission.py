"""Permission per upstream, method and path: what a key's grants do not cover reaches no upstream
and costs nothing (ACL-06), and nothing else that a client sends chooses one (PRX-09)."""

import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from rest_framework.test import APIClient

from apikeys.models import ApiKey
from tests import make
from tests.gateway.books import used
from tests.gateway.conftest import Database
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Answer, Server

ADMIN = "/api/v1/admin"
FORBIDDEN = "upstream_forbidden"


class Member:
    """May call ``mine`` by GET below /v1/, and all of ``wide``; ``theirs`` is somebody else's.
    ``mark``: a field that every request of the test carries, to find it again."""

    def __init__(self, database: Database, gateway: Gateway, upstream: Server) -> None:
        self.gateway, self.upstream = gateway, upstream
        self.name = f"acl-{uuid.uuid4().hex[:8]}"
        self.mark = f"X-Mark: {uuid.uuid4().hex}"
        self.api = APIClient(raise_request_exception=False)
        self.api.credentials(HTTP_AUTHORIZATION=f"Bearer {os.environ['ADMIN_TOKEN']}")
        self.secret = database.key_for(self.name, "", monthly=1000)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        answer = self.api.post(f"{ADMIN}/{path}", body)
        assert answer.status_code == 201, answer.content
        return answer.json()

    def prepare(self) -> None:
        base = f"http://127.0.0.1:{self.upstream.port}"
        key = ApiKey.objects.get(owner__username=self.name, name="test key")
        self.owner, self.key_id = str(key.owner_id), str(key.pk)
        for name in ("mine", "wide", "theirs"):
            target = {"base_url": f"{base}/{name}", "api_key": f"{name}-0123456789abcdef"}
            self.post("upstreams", {"slug": self.slug(name), "name": name, "injection": "header",
                                    "targets": [target]})  # fmt: skip
        self.grant("mine", member=self.owner, methods=["GET"], paths=["/v1/"])
        self.grant("wide", member=self.owner)

    def grant(self, name: str, **given: Any) -> None:
        self.post("grants", {"upstream": self.slug(name), **given})

    def slug(self, name: str) -> str:
        return f"{self.name}-{name}"

    def call(self, name: str, path: str = "/v1/a", *fields: str, method: str = "GET") -> Answer:
        target = f"/proxy/{self.slug(name)}{path}"
        return self.gateway.ask(request(method, target, self.secret, self.mark, *fields))

    def outcome(self, *given: Any, **named: Any) -> str:
        answer = self.call(*given, **named)
        if answer.status == 200:
            return answer.body.decode().split(" ")[1]
        return answer.body.decode().partition('"code": "')[2].partition('"')[0]

    def sent(self) -> list[str]:
        """Where the upstreams saw this test's requests go."""
        return [head.split(b" ")[1].decode() for head in self.upstream.heads_with(self.mark)]


@pytest.fixture
def member(database: Database, gateway: Gateway, upstream: Server) -> Iterator[Member]:
    made = Member(database, gateway, upstream)
    with database.rows():
        made.prepare()
        yield made
        for name in ("mine", "wide", "theirs"):
            made.api.delete(f"{ADMIN}/upstreams/{made.slug(name)}")


def test_what_a_grant_does_not_cover_is_not_sent_and_costs_nothing(
    member: Member, database: Database
) -> None:
    allowed = [member.outcome("mine"), member.outcome("wide", "/v2/b", method="POST")]
    refused = {
        (name, path, method): member.outcome(name, path, method=method)
        for name, path, method in (
            ("mine", "/v1/a", "POST"), ("mine", "/v1/a", "DELETE"), ("mine", "/v1", "GET"),
            ("mine", "/v2/a", "GET"), ("mine", "/V1/a", "GET"), ("mine", "/", "GET"),
            ("theirs", "/v1/a", "GET"), ("gone", "/v1/a", "GET"),
        )
    }  # fmt: skip

    assert allowed == ["/mine/v1/a", "/wide/v2/b"]
    assert set(refused.values()) == {FORBIDDEN}, refused
    assert sorted(member.sent()) == sorted(allowed)
    assert used(database, member.secret) == len(allowed)


def test_a_path_that_reads_in_two_ways_is_refused_before_any_grant(member: Member) -> None:
    paths = ["/v1/../v2/a", "/v1/%2e%2e/v2/a", "/v1/..%2fv2", "//v1/a", "/v2/../v1/a",
             "/v1/.%2E/.%2e/x", "/v1\\..\\v2", "/..%5cv1/a"]  # fmt: skip

    assert {member.outcome("mine", path) for path in paths} == {"path_refused"}
    assert member.sent() == []


def test_nothing_a_client_sends_leads_to_another_upstream(member: Member) -> None:
    theirs = member.slug("theirs")
    fields = [
        f"X-Upstream: {theirs}", f"X-Momentry-Upstream: {theirs}", f"X-Target-Url: http://{theirs}",
        f"X-Portkey-Provider: {theirs}", f"X-Original-URL: /proxy/{theirs}/v1/a",
        f"X-Rewrite-URL: /proxy/{theirs}/v1/a", f"X-Forwarded-Prefix: /proxy/{theirs}",
        f"Forwarded: host={theirs}", f"X-Forwarded-Host: {theirs}", f"Cookie: upstream={theirs}",
    ]  # fmt: skip
    paths = ["/v1/a", f"/v1/a?upstream={theirs}", f"/v1/proxy/{theirs}/x", f"/v1/a;{theirs}"]

    for path in paths:
        answer = member.call("mine", path, *fields)
        head = answer.body.decode("latin-1")
        assert head.startswith(f"GET /mine{path} HTTP/1.1\r\n")
        assert "Bearer mine-0123456789abcdef" in head
        assert "theirs-0123456789abcdef" not in head

    assert [path for path in member.sent() if path.startswith("/theirs")] == []


def test_a_keys_own_grants_narrow_its_members_and_widen_nothing(member: Member) -> None:
    member.grant("theirs", key=member.key_id)
    alone = [member.outcome(name) for name in ("theirs", "mine", "wide")]
    member.grant("wide", key=member.key_id, methods=["POST"])

    assert alone == [FORBIDDEN] * 3
    assert [member.outcome("wide", method=name) for name in ("POST", "GET")] == [
        "/wide/v1/a", FORBIDDEN,
    ]  # fmt: skip
    assert member.outcome("mine") == FORBIDDEN


def test_with_its_upstream_a_grant_is_gone_also_when_the_slug_comes_back(member: Member) -> None:
    path = f"{ADMIN}/upstreams/{member.slug('mine')}"
    assert member.outcome("mine") == "/mine/v1/a"

    assert member.api.delete(path).status_code == 204
    gone = member.outcome("mine")
    member.post("upstreams", {"slug": member.slug("mine"), "name": "Another"})

    assert (gone, member.outcome("mine")) == (FORBIDDEN, FORBIDDEN)


def test_another_members_key_may_nothing_of_this(member: Member) -> None:
    member.secret = make.key(make.member(f"{member.name}-bob", tier="trial")).secret

    assert [member.outcome(name) for name in ("mine", "wide", "theirs")] == [FORBIDDEN] * 3
    assert member.sent() == []
