"""PRX-18, PRX-14 where an upstream has several targets: whatever they do, a write is sent once, and
each fault has its code."""

import random
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import pytest

from proxy.models import Target, Upstream, UpstreamModel
from tests.gateway.conftest import Database, Start
from tests.gateway.misbehaving import CODE, Full, close, hang, outcome, reset, says
from tests.gateway.processes import Gateway, request
from tests.gateway.trio import base, free_port, servers, upstream_of
from tests.gateway.wire import Script, Server, Wire, mirror, within

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
JSON = "Content-Type: application/json"
CALLS, CLIENTS = 60, 4


@pytest.fixture(scope="module")
def gateway(start_once: Start) -> Gateway:
    return start_once(workers=2).wait_until_ready()


class Erratic:
    """Ends anywhere between a request's first byte and some time after its answer."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def __call__(self, wire: Wire, head: bytes) -> None:
        deed = self.random.randrange(8)
        end = self.random.choice((close, reset))
        if deed == 0:
            end(wire)
        if deed == 1:
            wire.take(self.random.randint(1, 50)) if b"ength" in head else wire.until(b"\r\n")
            end(wire)
        if deed == 2:
            says(self.random.choice((b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 2")), end)(
                wire, head
            )
        mirror(wire, head)
        if deed < 6:  # just as the next request may come on the connection that was kept
            threading.Event().wait(self.random.random() / 200)
            end(wire)


@pytest.fixture
def targets() -> Iterator[list[Server]]:
    with servers(2) as made:
        for number, server in enumerate(made):
            server.on("/u", Erratic(number))
        yield made


def asked(number: int, slug: str, secret: str) -> tuple[bytes, bytes]:
    """A request whose path no other one has, and its body."""
    method, way = ("POST", "PATCH", "PUT", "DELETE")[number % 4], number // 4 % 4
    text = b'{"model":"m","stream":true,"n":"%s"}' % (b"x" * (number * 500))
    path, fields = f"/proxy/{slug}/u?n={number}", [JSON, "Expect: 100-continue"][: 1 + (way == 1)]
    if way == 2:
        fields = ["Content-Type: text/plain"]
    if way != 3:
        return request(method, path, secret, *fields, body=text), text
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(text), text)
    return request(method, path, secret, *fields, "Transfer-Encoding: chunked") + chunked, text


def keeping_bodies(database: Database, slug: str, **model: object) -> str:
    """A key's secret. With models JSON is held until it is whole; else it goes up as it comes."""
    with database.rows():
        given = {"name": "m", "targets": []} | model
        UpstreamModel.objects.create(upstream=Upstream.objects.get(slug=slug), **given)
    return database.key_for(slug, slug)


@pytest.mark.slow
def test_whatever_targets_do_a_write_comes_to_one_of_them_once(
    gateway: Gateway, database: Database, targets: list[Server]
) -> None:
    ports = (*(server.port for server in targets), free_port())
    given = {"usage_format": "openai", "failure_threshold": 1000}
    slug = upstream_of(database, f"w-{uuid.uuid4().hex[:8]}", *ports, **given)
    secret = keeping_bodies(database, slug)
    found: list[tuple[int, int, bool]] = []

    def client(first: int) -> None:
        for number in range(first, CALLS * CLIENTS, CLIENTS):
            sent, body = asked(number, slug, secret)
            with closing(gateway.connect().send(sent)) as wire:
                seen = outcome(wire)
            found.append((number, seen.status, body in seen.body or b"chunked" in sent))

    threads = [threading.Thread(target=client, args=[first]) for first in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    heads = Counter(head.split(b" ")[1] for server in targets for head in server.heads)
    assert max(heads.values()) == 1
    statuses = Counter(status for _, status, _ in found)
    assert set(statuses) == {200, 502}
    assert statuses.total() == CALLS * CLIENTS
    for number, status, is_whole in found:
        arrived = heads[f"/u?n={number}".encode()]
        assert is_whole or status != 200
        assert arrived or status == 502, number  # all three took no connection, or ended it at once
    assert heads.total() > CALLS * CLIENTS * 2 // 3


Said = tuple[int, str]
REFUSED, HUNG = (502, "upstream_unreachable"), (504, "upstream_timeout")
BROKEN, RELAYED = (502, "upstream_failed"), (503, "")
FIRST: dict[str, tuple[Script | None, Said]] = {
    "nobody": (None, REFUSED),
    "closes": (says(b"", close), BROKEN),
    "resets": (says(b"", reset), BROKEN),
    "stutters": (says(b"HTTP/1.1 2", close), BROKEN),
    "babbles": (says(b"SSH-2.0-x\r\n\r\n", close), BROKEN),
    "hangs": (says(b"", hang), HUNG),
    "refuses": (says(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"), RELAYED),
}
MOVES = {"nobody"}  # of writes: nothing was sent
SAFE_MOVES = MOVES | {"closes", "resets"}


@pytest.mark.parametrize("how", FIRST)
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_each_fault_has_its_code_and_who_may_goes_on(
    gateway: Gateway, database: Database, how: str, method: str
) -> None:
    """The other target is well; only a fault that may be met twice is not told."""
    script, fault = FIRST[how]
    with servers(2) as (ill, well):
        if script is not None:
            ill.on("/u", script)
        well.on("/u", says(OK))
        port = free_port() if script is None else ill.port
        quick = {"first_byte_timeout_ms": 400, "failure_threshold": 1000, "usage_format": "openai"}
        slug = upstream_of(database, f"w-{uuid.uuid4().hex[:8]}", port, well.port, **quick)
        secret = keeping_bodies(database, slug)
        said = Counter(call(gateway, slug, secret, method) for _ in range(16))

    moves = how in (SAFE_MOVES if method == "GET" else MOVES)
    assert set(said) == ({(200, "")} if moves else {(200, ""), fault})
    assert len(well.heads) == said[200, ""]
    assert len(ill.heads) >= (0 if script is None else 1)


@pytest.mark.parametrize("how", FIRST)
def test_a_models_only_target_is_no_other_ones_matter(
    gateway: Gateway, database: Database, how: str
) -> None:
    script, fault = FIRST[how]
    with servers(2) as (ill, well):
        if script is not None:
            ill.on("/u", script)
        port = free_port() if script is None else ill.port
        quick = {"first_byte_timeout_ms": 400, "failure_threshold": 2, "usage_format": "openai"}
        slug = upstream_of(database, f"w-{uuid.uuid4().hex[:8]}", port, well.port, **quick)
        secret = keeping_bodies(database, slug, targets=[base(port)])
        said = Counter(call(gateway, slug, secret, "POST") for _ in range(5))

    assert said == {fault: 5}
    assert well.heads == []


def test_who_takes_no_connection_is_left_in_its_time(gateway: Gateway, database: Database) -> None:
    with servers(1) as (well,), closing(Full()) as full:
        quick = {"connect_timeout_ms": 300, "failure_threshold": 1000, "usage_format": "openai"}
        slug = upstream_of(database, f"w-{uuid.uuid4().hex[:8]}", full.port, well.port, **quick)
        secret = keeping_bodies(database, slug)
        assert {call(gateway, slug, secret, "POST") for _ in range(8)} == {(200, "")}
        with database.rows():
            Target.objects.filter(base_url=base(well.port)).delete()
        database.settle()
        assert within(5, lambda: call(gateway, slug, secret, "POST") == HUNG)
        assert {call(gateway, slug, secret, "POST") for _ in range(3)} == {HUNG}


def call(gateway: Gateway, slug: str, secret: str, method: str) -> Said:
    body = b'{"model":"m"}' if method == "POST" else b""  # a PATCH has none, and is a write
    answer = gateway.ask(request(method, f"/proxy/{slug}/u", secret, JSON, body=body))
    found = CODE.search(answer.body)
    return answer.status, found[1].decode() if found else ""
