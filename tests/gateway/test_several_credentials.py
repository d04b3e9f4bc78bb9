"""Several credentials of one target: two live while one is replaced, and one that the upstream
refuses or wants left alone stops none of the others. Two real processes follow the REST API."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.gateway.conftest import Database
from tests.gateway.misbehaving import says
from tests.gateway.processes import Gateway, request
from tests.gateway.test_upstreams_live import ENOUGH, FIRST, SECOND, UPSTREAMS, House
from tests.gateway.wire import Server, Wire, mirror, within

PROCESSES = 2
LIVE = [f"/x Authorization: Bearer {credential}" for credential in (FIRST, SECOND)]


class Rotating(House):
    def place(self, credential: str = "") -> str:
        row = self.api.get(f"{UPSTREAMS}/{self.slug}").json()["targets"][0]
        ids = {one["label"]: one["id"] for one in row["credentials"]}
        where = f"{UPSTREAMS}/{self.slug}/targets/{row['id']}/credentials"
        return f"{where}/{ids[credential]}" if credential else where

    def add(self, secret: str, label: str) -> None:
        answer = self.api.post(self.place(), {"api_key": secret, "label": label})
        assert answer.status_code == 201, answer.content

    def both(self) -> None:
        self.make(targets=[{"base_url": self.base_url}])
        self.add(FIRST, "first")
        self.add(SECOND, "second")

    def statuses(self, path: str) -> Counter[int]:
        asked = [self.gateway.get(f"/proxy/{self.slug}/{path}", self.key) for _ in range(ENOUGH)]
        return Counter(answer.status for answer in asked)


@pytest.fixture
def house(database: Database, gateway: Gateway, upstream: Server) -> Iterator[Rotating]:
    made = Rotating(database, gateway, upstream)
    with database.rows():
        yield made
        made.api.delete(f"{UPSTREAMS}/{made.slug}")


def refusing(credential: str, answer: bytes) -> Callable[[Wire, bytes], None]:
    def script(wire: Wire, head: bytes) -> None:
        if credential.encode() in head:
            wire.send(b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % answer)
        else:
            mirror(wire, head)

    return script


def test_one_is_replaced_by_another_under_load_and_no_request_is_lost(house: Rotating) -> None:
    house.make(targets=[{"base_url": house.base_url}])
    house.add(FIRST, "first")
    over = threading.Event()
    found: Counter[str] = Counter()

    def hammer() -> None:
        while not over.is_set():
            found[house.call()] += 1

    client = threading.Thread(target=hammer)
    client.start()
    before = house.calls()
    house.add(SECOND, "second")
    during = house.calls()
    house.api.patch(house.place("first"), {"is_active": False})
    after = house.calls()
    house.api.delete(house.place("first"))
    gone = house.calls()
    over.set()
    client.join()

    assert before == {LIVE[0]: ENOUGH}
    assert set(during) == set(LIVE)
    assert after == gone == {LIVE[1]: ENOUGH}
    assert found.keys() == set(LIVE)


def test_they_take_turns_also_for_one_request_repeated(house: Rotating) -> None:
    house.both()
    wire = house.gateway.connect()
    call = request("GET", f"/proxy/{house.slug}/x", house.key)

    sent = [wire.send(call).answer().body for _ in range(12)]

    assert [FIRST.encode() in body for body in sent] in ([True, False] * 6, [False, True] * 6)
    assert all((FIRST.encode() in body) != (SECOND.encode() in body) for body in sent)


@pytest.mark.parametrize(
    "answer", [b"429 Slow\r\nRetry-After: 86400", b"429 Slow\r\nRetry-After: 30", b"401 No"]
)
def test_one_that_is_refused_rests_while_another_is_there(
    house: Rotating, upstream: Server, answer: bytes
) -> None:
    upstream.on("/refusing", refusing(FIRST, answer))
    house.both()

    found = house.statuses("refusing")

    assert found[200] >= ENOUGH - PROCESSES
    assert found[int(answer[:3])] == ENOUGH - found[200] <= PROCESSES


def test_a_refused_one_makes_no_target_ill_while_another_is_there(
    house: Rotating, upstream: Server, database: Database
) -> None:
    upstream.on("/is-well", refusing(FIRST, b"401 Unauthorized"))
    given = {"health_path": "/is-well", "health_interval_ms": 500, "failure_threshold": 1}
    house.both()
    house.change(**given)

    def asked(credential: str) -> int:
        return sum(credential.encode() in head for head in upstream.heads_of("/is-well"))

    assert within(20, lambda: asked(FIRST) >= 1 and asked(SECOND) >= 3 * asked(FIRST))
    rows = "SELECT o.reason FROM proxy_outage o JOIN proxy_target t ON t.id = o.target_id"
    rows += " JOIN proxy_upstream u ON u.id = t.upstream_id WHERE u.slug = %s"
    assert database.fetch(rows, house.slug) == []
    upstream.on("/is-well", says(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"))
    assert within(20, lambda: bool(database.fetch(rows, house.slug)))


def test_a_rest_outlives_a_change_of_another_setting(house: Rotating, upstream: Server) -> None:
    upstream.on("/refusing", refusing(FIRST, b"401 No"))
    house.both()
    house.statuses("refusing")

    house.change(name="Other")

    assert house.statuses("refusing") == {200: ENOUGH}


def test_a_refusal_that_says_nothing_of_the_credential_rests_none(
    house: Rotating, upstream: Server
) -> None:
    upstream.on("/refusing", refusing(FIRST, b"403 No"))
    house.both()

    assert house.statuses("refusing")[403] > PROCESSES


def test_when_all_rest_they_are_used_all_the_same(house: Rotating, upstream: Server) -> None:
    upstream.on("/refusing", refusing("Bearer", b"429 Slow\r\nRetry-After: 60"))
    house.both()

    assert house.statuses("refusing") == {429: ENOUGH}
    assert set(house.calls()) == set(LIVE)


def test_a_target_whose_credentials_are_all_off_is_sent_nothing(house: Rotating) -> None:
    house.both()
    for label in ("first", "second"):
        house.api.patch(house.place(label), {"is_active": False})

    assert house.calls() == {"upstream_unavailable": ENOUGH}


def test_one_that_does_not_open_stops_no_other(house: Rotating, database: Database) -> None:
    house.both()
    row = house.place("first").rpartition("/")[2]
    database.change("UPDATE proxy_targetcredential SET secret = 'm1.a.b' WHERE id = %s", row)

    assert house.calls() == {LIVE[1]: ENOUGH}


def test_no_answer_tells_one_of_them_whichever_was_sent(house: Rotating, upstream: Server) -> None:
    """Also one that is switched off: the upstream may know it still."""
    told = "&".join(f"k={credential}" for credential in (FIRST, SECOND))
    moved = f"HTTP/1.1 302 Found\r\nLocation: /?a&{told}\r\nContent-Length: 0\r\n\r\n".encode()
    upstream.on("/telling", says(moved))
    house.both()
    house.change(injection="query", injection_name="k")
    house.api.patch(house.place("first"), {"is_active": False})

    asked = [house.gateway.get(f"/proxy/{house.slug}/telling", house.key) for _ in range(4)]

    assert [answer.field("location") for answer in asked] == ["/?a"] * 4
