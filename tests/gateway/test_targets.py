"""Several targets: shares by weight and load, and who fails is left alone until it is well."""

import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from accounts.models import User
from apikeys.models import LimitOverride
from tests import make
from tests.gateway.conftest import Database, Start
from tests.gateway.misbehaving import close, says
from tests.gateway.processes import Gateway, request
from tests.gateway.test_log_sampling import figure
from tests.gateway.trio import end_probes, free_port, servers, upstream_of
from tests.gateway.wire import Cut, Server, Wire, within

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
CALLS = 400


class Group:
    """An upstream of these servers, and a key for it."""

    def __init__(self, gateway: Gateway, slug: str, secret: str, targets: list[Server]) -> None:
        self.gateway = gateway
        self.slug = slug
        self.secret = secret
        self.targets = targets

    def call(self, path: str = "/it", method: str = "GET", body: bytes = b"") -> int:
        head = request(method, f"/proxy/{self.slug}{path}", self.secret, body=body)
        return self.gateway.ask(head).status

    def seen(self, path: str = "/it") -> list[int]:
        return [len(target.heads_of(path)) for target in self.targets]


class Groups:
    """Made one after the other on one gateway."""

    def __init__(self, gateway: Gateway, database: Database, stack: ExitStack) -> None:
        self.gateway = gateway
        self.database = database
        self.stack = stack

    def __call__(self, targets: int, *dead: int, weights: str = "", **given: object) -> Group:
        made = self.stack.enter_context(servers(targets))
        for server in made:
            server.on("/it", says(OK))
        ports = [*(server.port for server in made), *dead]
        slug = f"group-{uuid.uuid4().hex[:8]}"
        upstream_of(self.database, slug, *ports, weights=weights, **given)
        self.stack.callback(end_probes, self.database, slug)
        secret = self.database.key_for(slug, slug)
        return Group(self.gateway, slug, secret, made)


@pytest.fixture(scope="module")
def group(start_once: Start, database: Database) -> Iterator[Groups]:
    with ExitStack() as stack:
        yield Groups(start_once().wait_until_ready(), database, stack)


def test_requests_are_shared_by_weight(group: Groups) -> None:
    three = group(3, weights="811")

    answers = Counter(three.call() for _ in range(CALLS))

    assert answers == {200: CALLS}
    first, *rest = three.seen()
    assert 280 < first < 360  # 320 ± 5 standard deviations
    assert all(10 < share < 75 for share in rest)


def test_who_is_slow_gets_less(group: Groups) -> None:
    pair = group(2)
    slow = pair.targets[0]
    waiting = threading.Event()

    def wait(wire: Wire, _head: bytes) -> None:
        assert waiting.wait(60)
        wire.send(OK)

    slow.on("/it", wait)
    threads = [threading.Thread(target=pair.call) for _ in range(40)]
    for number, thread in enumerate(threads, 1):
        thread.start()
        assert within(20, lambda: sum(pair.seen()) >= number)  # noqa: B023  at once
    held = len(slow.heads_of("/it"))
    waiting.set()
    for thread in threads:
        thread.join()

    assert held < 15  # about 8; half of them without a look at what is under way


def test_what_was_not_sent_goes_to_another_target_whole(group: Groups) -> None:
    pair = group(1, free_port())
    pair.targets[0].scripts.clear()
    body = b"kept" * 20_000

    for _ in range(12):
        head = request("POST", f"/proxy/{pair.slug}/it", pair.secret, body=body)
        answer = pair.gateway.ask(head)
        assert (answer.status, answer.body.endswith(body)) == (200, True)

    assert pair.seen() == [12]


def test_a_body_that_was_kept_goes_to_another_target_whole(
    group: Groups, database: Database
) -> None:
    pair = group(1, free_port(), usage_format="openai")
    pair.targets[0].scripts.clear()
    with database.rows():
        member = User.objects.get(username=pair.slug)
        LimitOverride.objects.create(member=member, name="tokens_per_month", value=10**9)
    database.settle()
    body = b'{"model": "m", "max_tokens": 5, "messages": "%s"}' % (b"kept" * 20_000)

    for _ in range(12):
        fields = ("Content-Type: application/json",)
        head = request("POST", f"/proxy/{pair.slug}/it", pair.secret, *fields, body=body)
        answer = pair.gateway.ask(head)
        assert (answer.status, answer.body.endswith(body)) == (200, True)

    assert pair.seen() == [12]


def test_a_post_that_was_sent_is_never_sent_twice(group: Groups) -> None:
    pair = group(2, failure_threshold=1000)
    for target in pair.targets:
        target.on("/it", says(b"", close))

    answers = [pair.call(method="POST", body=b"once") for _ in range(20)]

    assert answers == [502] * 20
    assert sum(pair.seen()) == 20


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_idempotent_request_without_a_body_goes_on(group: Groups, method: str) -> None:
    three = group(3, failure_threshold=1000)
    for target in three.targets[:2]:
        target.on("/it", says(b"", close))

    answers = [three.call(method=method) for _ in range(20)]

    assert answers == [200] * 20
    assert three.seen()[2] == 20


def test_it_goes_to_no_more_targets_than_it_may(group: Groups) -> None:
    three = group(3, failure_threshold=1000, max_retries=1)
    for target in three.targets:
        target.on("/it", says(b"", close))

    assert [three.call() for _ in range(5)] == [502] * 5
    assert sum(three.seen()) == 10


def test_an_answer_that_began_is_cut_and_not_asked_for_again(group: Groups) -> None:
    pair = group(2, failure_threshold=1000)
    for target in pair.targets:
        target.on("/it", says(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", close))

    wire = pair.gateway.connect()
    rest = wire.send(request("GET", f"/proxy/{pair.slug}/it", pair.secret)).rest()

    assert rest.endswith(b"abc")
    assert sum(pair.seen()) == 1


def test_who_must_wait_for_leave_to_move_is_not_lost(group: Groups) -> None:
    pair = group(2, failure_threshold=1000)
    dying, staying = pair.targets
    dies, stays = threading.Event(), threading.Event()

    def die(_wire: Wire, _head: bytes) -> None:
        assert dies.wait(60)
        raise Cut("as told")

    def stay(wire: Wire, _head: bytes) -> None:
        assert stays.wait(60)
        wire.send(OK)

    dying.on("/it", die)
    staying.on("/it", stay)
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(pair.call())) for _ in range(40)]
    for thread in threads:
        thread.start()
    assert within(20, lambda: sum(pair.seen()) == len(threads))
    assert min(pair.seen()) > 10  # a fifth of all may be at their second target: 8
    lost = len(dying.heads_of("/it"))

    dies.set()
    assert within(20, lambda: len(staying.heads_of("/it")) == len(threads) - lost + 8)
    assert not within(0.3, lambda: len(staying.heads_of("/it")) > len(threads) - lost + 8)
    stays.set()
    for thread in threads:
        thread.join()

    assert answers == [200] * len(threads)


def test_who_fails_is_left_alone_and_tried_again(group: Groups) -> None:
    three = group(3, failure_threshold=3)
    bad = three.targets[0]
    bad.on("/it", says(UNAVAILABLE))
    assert within(20, lambda: three.call() == 503 and three.seen()[0] >= 3)
    before = three.seen()[0]

    answers = Counter(three.call() for _ in range(60))

    assert answers[200] >= 57  # some may be the one that is let through after a rest
    assert three.seen()[0] - before == answers[503]
    bad.on("/it", says(OK))
    assert within(20, lambda: three.call() == 200 and three.seen()[0] > before + answers[503] + 3)


def test_who_is_out_stays_out_when_the_upstream_changes(group: Groups, database: Database) -> None:
    three = group(2, free_port(), failure_threshold=2)
    rows = "SELECT 1 FROM proxy_outage o JOIN proxy_target t ON t.id = o.target_id"
    rows += " JOIN proxy_upstream u ON u.id = t.upstream_id WHERE u.slug = %s"
    assert within(20, lambda: three.call() == 200 and bool(database.fetch(rows, three.slug)))
    with database.rows():
        scraper = make.service_key("metrics").secret
    before = figure(three.gateway, scraper, "upstream_fail_overs_total")

    database.change("UPDATE proxy_upstream SET request_weight = 2 WHERE slug = %s", three.slug)

    assert [three.call() for _ in range(30)] == [200] * 30
    assert figure(three.gateway, scraper, "upstream_fail_overs_total") == before


def test_where_most_are_out_all_are_tried(group: Groups) -> None:
    three = group(3, failure_threshold=1)
    for target in three.targets[:2]:
        target.on("/it", says(UNAVAILABLE))
    assert within(20, lambda: three.call() == 503 and all(three.seen()))
    before = three.seen()

    answers = Counter(three.call() for _ in range(60))

    assert answers[503] > 20
    assert all(now > then for now, then in zip(three.seen(), before, strict=True))


def test_the_only_target_is_always_tried(group: Groups) -> None:
    one = group(1, failure_threshold=1)
    one.targets[0].on("/it", says(UNAVAILABLE))
    assert [one.call() for _ in range(10)] == [503] * 10

    one.targets[0].on("/it", says(OK))

    assert [one.call() for _ in range(10)] == [200] * 10


@contextmanager
def asked(server: Server, path: str) -> Iterator[None]:
    before = len(server.heads_of(path))
    yield
    assert within(20, lambda: len(server.heads_of(path)) > before)


def test_a_health_path_is_asked_with_the_credential_and_believed(
    group: Groups, database: Database
) -> None:
    pair = group(
        2, health_path="/well?deep=1", health_interval_ms=500, failure_threshold=2,
        injection="header",
    )  # fmt: skip
    ill = pair.targets[0]
    for target in pair.targets:
        target.on("/well", says(OK))
    with asked(ill, "/well?deep=1"), asked(pair.targets[1], "/well?deep=1"):
        pass
    assert [pair.call() for _ in range(10)] == [200] * 10

    ill.on("/well", says(UNAVAILABLE))
    ours = "|".join(map(str, pair.gateway.children()))  # else a gateway of other tests is quicker
    table = f"SELECT FROM proxy_outage WHERE process ~ '^gateway:({ours}):' AND reason LIKE %s"
    assert within(20, lambda: bool(database.fetch(table, "%health path answered 503%")))
    before = pair.seen()[0]
    assert [pair.call() for _ in range(30)] == [200] * 30
    assert pair.seen()[0] == before, database.fetch("SELECT reason FROM proxy_outage")

    ill.on("/well", says(OK))
    assert within(20, lambda: pair.call() == 200 and pair.seen()[0] > before)
    assert within(20, lambda: not database.fetch(table, "%health path%"))
