"""SSR-01, SSR-02: the gateway connects to no forbidden address, however it came by it. Linux takes
a connection to 0.0.0.0 to this machine: a listener here can tell whether anybody dialled it."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests import make
from tests.gateway import naming
from tests.gateway.conftest import Database, Start
from tests.gateway.processes import Gateway
from tests.gateway.wire import Server, within

pytestmark = pytest.mark.slow

GOOD = "127.0.0.2"
FORBIDDEN = "0.0.0.0"
UNREACHABLE = "upstream_unreachable"


@dataclass
class Scene:
    """``forbidden`` listens where 0.0.0.0 leads, ``good`` at the same port of another address;
    ``file`` is the name server (see naming/)."""

    database: Database
    key: str
    file: Path
    forbidden: Server
    good: Server

    def lead(self, name: str, *addresses: str) -> None:
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps({name: addresses}))
        new.rename(self.file)

    @contextmanager
    def upstream_at(self, host: str, **given: object) -> Iterator[None]:
        """Written past every form: who writes the database gains nothing."""
        with self.database.rows():
            made = make.upstream("egress", "http://a", connect_timeout_ms=2000, **given)
        where = "UPDATE proxy_target SET base_url = %s WHERE upstream_id = %s"
        self.database.change(where, f"http://{host}:{self.good.port}", made.id)
        try:
            yield
        finally:
            with self.database.rows():
                made.delete()
            self.database.settle()

    def start(self, start: Start, **given: str) -> Gateway:
        (directory,) = naming.__path__
        values = {"PYTHONPATH": directory, "RESOLVER_FILE": str(self.file)}
        return start(**values, **given).wait_until_ready()

    def call(self, gateway: Gateway) -> str:
        """The status, or the code of a 502."""
        answer = gateway.get("/proxy/egress/x", self.key)
        return json.loads(answer.body)["code"] if answer.status == 502 else str(answer.status)


@pytest.fixture(scope="module")
def scene(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    forbidden = Server(socket.create_server(("127.0.0.1", 0)))
    good = Server(socket.create_server((GOOD, forbidden.port)))
    file = tmp_path_factory.mktemp("names") / "names.json"
    made = Scene(database, database.key_for("egress", "egress"), file, forbidden, good)
    made.lead("nobody.test")
    yield made
    forbidden.stop()
    good.stop()


@pytest.fixture(scope="module")
def gateway(start_once: Start, scene: Scene) -> Gateway:
    return scene.start(start_once)


@pytest.fixture(autouse=True)
def _nothing_arrives(request: pytest.FixtureRequest, scene: Scene) -> Iterator[None]:
    """At the forbidden address, unless the operator listed it: who dials it, as we do afterwards,
    gets there."""
    wanted = scene.forbidden.accepted + (2 if "listed" in request.fixturenames else 1)
    yield
    socket.create_connection((FORBIDDEN, scene.forbidden.port)).close()
    assert within(2, lambda: scene.forbidden.accepted >= wanted)
    assert scene.forbidden.accepted == wanted


@pytest.fixture
def name() -> str:
    """Of this test alone: the gateway keeps connections to what another one led to."""
    return f"{uuid4().hex}.test"


def refusals(gateway: Gateway, host: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in gateway.lines]
    return [line for line in lines if line["logger"] == "momentry.egress" and line["host"] == host]


@pytest.mark.parametrize(
    ("host", "address", "why"),
    [(FORBIDDEN, FORBIDDEN, "unspecified"), ("0", FORBIDDEN, "unspecified"),
     ("0x0.00", FORBIDDEN, "unspecified"), ("[::]", "::", "unspecified"),
     ("[::ffff:0.0.0.0]", "::ffff:0.0.0.0", "it leads to 0.0.0.0: unspecified")],
)  # fmt: skip
def test_a_forbidden_address_is_not_dialled_in_any_spelling(
    host: str, address: str, why: str, scene: Scene, gateway: Gateway
) -> None:
    with scene.upstream_at(host):
        assert scene.call(gateway) == UNREACHABLE

    (line,) = refusals(gateway, host.strip("[]"))
    assert (line["address"], line["reason"], line["level"]) == (address, why, "warning")


@pytest.mark.parametrize("address", [FORBIDDEN, "::ffff:0.0.0.0", "169.254.169.254", "fe80::1%lo"])
def test_nor_one_that_a_name_leads_to_and_the_log_says_so_once(
    address: str, scene: Scene, gateway: Gateway, name: str
) -> None:
    scene.lead(name, address)
    with scene.upstream_at(name):
        codes = {scene.call(gateway) for _ in range(5)}

    assert codes == {UNREACHABLE}
    assert [line["address"] for line in refusals(gateway, name)] == [address]


def test_the_other_addresses_of_the_name_are_tried(
    scene: Scene, gateway: Gateway, name: str
) -> None:
    served = scene.good.accepted
    scene.lead(name, FORBIDDEN, GOOD, "169.254.169.254")
    with scene.upstream_at(name):
        assert scene.call(gateway) == "200"

    assert scene.good.accepted == served + 1


def test_a_name_that_turns_to_a_forbidden_address_is_not_followed_there(
    scene: Scene, gateway: Gateway, name: str
) -> None:
    scene.lead(name, GOOD)
    with scene.upstream_at(name):
        assert scene.call(gateway) == "200"
        scene.lead(name, FORBIDDEN)
        assert within(8, lambda: scene.call(gateway) == UNREACHABLE, pause=0.1)
        assert {scene.call(gateway) for _ in range(5)} == {UNREACHABLE}
        scene.lead(name, GOOD)
        assert within(8, lambda: scene.call(gateway) == "200", pause=0.1)


def test_nor_is_it_probed_there(scene: Scene, gateway: Gateway, name: str) -> None:
    """By these processes: to a gateway of other tests, if one runs, the name leads nowhere."""
    ours = "|".join(map(str, gateway.children()))
    out = (
        "SELECT 1 FROM proxy_outage o JOIN proxy_target t ON t.id = o.target_id"
        " JOIN proxy_upstream u ON u.id = t.upstream_id"
        f" WHERE o.reason = 'no connection' AND u.slug = %s AND o.process ~ '^gateway:({ours}):'"
    )
    probed = {"health_path": "/well", "health_interval_ms": 500, "failure_threshold": 1}
    scene.lead(name, GOOD)
    with scene.upstream_at(name, **probed):
        assert within(8, lambda: bool(scene.good.heads_of("/well")))
        scene.lead(name, FORBIDDEN)
        assert within(8, lambda: bool(scene.database.fetch(out, "egress")))
        known = len(scene.good.heads_of("/well"))
        scene.lead(name, GOOD)
        assert within(8, lambda: len(scene.good.heads_of("/well")) > known)
        assert within(8, lambda: not scene.database.fetch(out, "egress"))


@pytest.mark.parametrize("listed", ["", "192.0.2.1, 0.0.0.0/32"])
def test_what_the_operator_listed_is_dialled(
    listed: str, scene: Scene, start: Start, name: str
) -> None:
    gateway = scene.start(start, EGRESS_ALLOW=listed or name)
    scene.lead(name, FORBIDDEN)
    with scene.upstream_at(name):
        assert scene.call(gateway) == "200"

    assert refusals(gateway, name) == []
