"""Targets of an upstream and their credentials come, go and change their weight under load on two
processes: each change counts from its answer on, and no request is lost."""

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.gateway.conftest import Database
from tests.gateway.processes import Gateway
from tests.gateway.test_upstreams_live import ENOUGH, FIRST, SECOND, UPSTREAMS, House
from tests.gateway.trio import base, servers
from tests.gateway.wire import Server

pytestmark = pytest.mark.slow
CLIENTS = 3


class Busy(House):
    """Asked all the while; ``found`` are the statuses and codes."""

    def __init__(self, database: Database, gateway: Gateway, places: list[Server]) -> None:
        super().__init__(database, gateway, places[0])
        self.places = places
        self.found: Counter[str] = Counter()
        self.over = threading.Event()
        self.clients = [threading.Thread(target=self.hammer) for _ in range(CLIENTS)]

    def hammer(self) -> None:
        while not self.over.is_set():
            self.found[self.asked("load")] += 1

    def asked(self, path: str) -> str:
        answer = self.gateway.get(f"/proxy/{self.slug}/{path}", self.key)
        return "ok" if answer.status == 200 else answer.body.decode()[:300]

    def among(self, *chosen: int, key: str | None = FIRST, **weights: int) -> None:
        targets = [
            {
                "base_url": base(self.places[at].port),
                "weight": weights.get(f"w{at}", 1),
                "api_key": key,
            }
            for at in chosen
        ]
        self.change(targets=targets)

    def seen(self, path: str) -> list[int]:
        """From now on, of calls made now: where they go."""
        before = [len(place.heads_of(f"/{path}")) for place in self.places]
        assert {self.asked(path) for _ in range(ENOUGH)} == {"ok"}
        now = [len(place.heads_of(f"/{path}")) for place in self.places]
        return [after - then for after, then in zip(now, before, strict=True)]


@pytest.fixture
def busy(database: Database, gateway: Gateway) -> Iterator[Busy]:
    with servers(3) as places:
        made = Busy(database, gateway, places)
        with database.rows():
            made.make(targets=[{"base_url": base(places[0].port), "api_key": FIRST}])
            for client in made.clients:
                client.start()
            try:
                yield made
            finally:
                made.over.set()
                for client in made.clients:
                    client.join()
                made.api.delete(f"{UPSTREAMS}/{made.slug}")
    assert set(made.found) == {"ok"}, made.found
    assert made.found.total() > 50


def test_targets_come_and_go(busy: Busy) -> None:
    for number, chosen in enumerate([(0, 1), (1,), (1, 2), (2,), (0, 1, 2), (0,)]):
        busy.among(*chosen)

        seen = busy.seen(f"step-{number}")

        assert all(count == 0 for at, count in enumerate(seen) if at not in chosen)
        assert sum(seen) == ENOUGH


def test_a_weight_counts_from_the_answer_on(busy: Busy) -> None:
    busy.among(0, 1, w0=1, w1=1000)
    assert busy.seen("second")[0] <= 3
    busy.among(0, 1, w0=1000, w1=1)
    assert busy.seen("first")[1] <= 3


def test_a_switched_off_target_is_asked_no_more_and_switched_on_again(busy: Busy) -> None:
    one, two = (base(place.port) for place in busy.places[:2])

    def switch(is_active: bool) -> Any:
        wanted = {"base_url": two, "is_active": is_active}
        busy.change(targets=[{"base_url": one}, wanted])
        return busy.seen(f"on-{is_active}")

    busy.among(0, 1)
    assert switch(False) == [ENOUGH, 0, 0]
    assert switch(True)[1] > 0


def test_credentials_of_two_targets_are_replaced_with_two_live(busy: Busy) -> None:
    busy.among(0, 1)
    rows = busy.api.get(f"{UPSTREAMS}/{busy.slug}").json()["targets"]
    for row in rows:
        place = f"{UPSTREAMS}/{busy.slug}/targets/{row['id']}/credentials"
        assert busy.api.post(place, {"api_key": SECOND, "label": "new"}).status_code == 201
    busy.seen("both")
    for row in rows:
        place = f"{UPSTREAMS}/{busy.slug}/targets/{row['id']}/credentials"
        (old,) = row["credentials"]
        assert busy.api.delete(f"{place}/{old['id']}").status_code == 204
    busy.seen("after")

    heads = [head for place in busy.places for head in place.heads_of("/after")]
    assert len(heads) == ENOUGH
    assert all(f"Bearer {SECOND}".encode() in head for head in heads)
    loaded = [head for place in busy.places for head in place.heads_of("/load")]
    assert all(FIRST.encode() in head or SECOND.encode() in head for head in loaded)
