"""A change of an upstream is live in every process when it is answered, and loses no request: two
real processes follow what the REST API writes."""

import os
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.gateway.conftest import Database
from tests.gateway.processes import Gateway
from tests.gateway.wire import Server

UPSTREAMS = "/api/v1/admin/upstreams"
FIRST, SECOND = "first-0123456789abcdef", "second-0123456789abcdef"
ENOUGH = 16  # fresh connections: the kernel spreads them over both processes


class House:
    """``slug``: an upstream of this test's own, which its key may call. Nothing is settled after a
    write of the API: its answer alone is what is waited for."""

    def __init__(self, database: Database, gateway: Gateway, upstream: Server) -> None:
        self.gateway = gateway
        self.base_url = f"http://127.0.0.1:{upstream.port}"
        self.slug = f"live-{uuid.uuid4().hex[:8]}"
        self.key = database.key_for(self.slug, self.slug)
        self.api = APIClient(raise_request_exception=False)
        self.api.credentials(HTTP_AUTHORIZATION=f"Bearer {os.environ['ADMIN_TOKEN']}")

    def make(self, **given: Any) -> None:
        body = {"slug": self.slug, "name": "Live", "injection": "header", **self.target(FIRST)}
        answer = self.api.post(UPSTREAMS, body | given)
        assert answer.status_code == 201, answer.content

    def change(self, **given: Any) -> None:
        answer = self.api.patch(f"{UPSTREAMS}/{self.slug}", given)
        assert answer.status_code == 200, answer.content

    def target(self, credential: str | None, path: str = "") -> dict[str, Any]:
        return {"targets": [{"base_url": self.base_url + path, "api_key": credential}]}

    def calls(self) -> Counter[str]:
        return Counter(self.call() for _ in range(ENOUGH))

    def call(self) -> str:
        """What the upstream was sent, or the code: its path and the credential it got."""
        answer = self.gateway.get(f"/proxy/{self.slug}/x", self.key)
        if answer.status != 200:
            return answer.body.decode().partition('"code": "')[2].partition('"')[0]
        line, *fields = answer.body.decode("latin-1").split("\r\n")
        sent = [field for field in fields if field.lower().startswith(("authorization", "x-key"))]
        return " ".join([line.split(" ")[1], *sent])


@pytest.fixture
def house(database: Database, gateway: Gateway, upstream: Server) -> Iterator[House]:
    made = House(database, gateway, upstream)
    with database.rows():
        yield made
        made.api.delete(f"{UPSTREAMS}/{made.slug}")


def test_every_process_follows_a_change_before_it_is_answered(house: House) -> None:
    seen = [house.calls()]
    house.make()
    seen.append(house.calls())
    for given in (
        house.target(SECOND),
        {"injection_name": "X-Key", "injection_template": "{credential}"},
        {"injection": "query", "injection_name": "k"},
        {"injection": "basic"} | house.target("someone:" + SECOND),
        house.target(None, "/base"),
        {"is_active": False},
        {"is_active": True, "targets": []},
    ):
        house.change(**given)
        seen.append(house.calls())
    house.api.delete(f"{UPSTREAMS}/{house.slug}")
    seen.append(house.calls())

    assert seen == [
        {said: ENOUGH}
        for said in (
            "upstream_unknown",
            f"/x Authorization: Bearer {FIRST}",
            f"/x Authorization: Bearer {SECOND}",
            f"/x X-Key: {SECOND}",
            f"/x?k={SECOND}",
            "/x Authorization: Basic c29tZW9uZTpzZWNvbmQtMDEyMzQ1Njc4OWFiY2RlZg==",
            "/base/x",
            "upstream_unavailable",
            "upstream_unavailable",
            "upstream_forbidden",
        )
    ]


def test_no_request_is_lost_while_an_upstream_changes(house: House) -> None:
    house.make()
    over = threading.Event()
    found: Counter[str] = Counter()

    def hammer() -> None:
        while not over.is_set():
            found[house.call()] += 1

    client = threading.Thread(target=hammer)
    client.start()
    for number in range(12):
        credential = SECOND if number % 2 else FIRST
        house.change(connect_timeout_ms=4000 + number, **house.target(credential))
    over.set()
    client.join()

    sent = {f"/x Authorization: Bearer {credential}" for credential in (FIRST, SECOND)}
    assert found.keys() == sent
    assert found.total() > 12
