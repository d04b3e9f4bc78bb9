"""PRX-09: beyond the path's slug and the model table nothing that a client sends chooses where its
call goes; on two processes, with a key that may call both upstreams."""

import json
import uuid
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests import make
from tests.gateway.conftest import Database, Start
from tests.gateway.processes import Gateway, request
from tests.gateway.trio import servers
from tests.gateway.wire import Server

JSON = "Content-Type: application/json"
SMALL, OTHERS, LATER = "small", "theirs", "later"


class Scene(NamedTuple):
    gateway: Gateway
    key: str
    mine: str
    theirs: str
    here: Server
    later: Server  # a second target of mine, for one model alone
    there: Server

    def seen(self) -> list[int]:
        return [len(server.heads) for server in (self.here, self.later, self.there)]

    def strays(self) -> list[bytes]:
        """For whoever reads a red test: what came last where nothing should."""
        return [head for server in (self.later, self.there) for head in server.heads[-2:]]


@pytest.fixture(scope="module")
def scene(start_once: Start, database: Database) -> Iterator[Scene]:
    mine, theirs = (f"{name}-{uuid.uuid4().hex[:8]}" for name in ("mine", "theirs"))
    with servers(3) as (here, later, there):
        first, second = f"http://127.0.0.1:{here.port}", f"http://127.0.0.1:{later.port}"
        with database.rows():
            row = make.upstream(mine, first, usage_format="openai", serves_v1=True)
            row.targets.create(base_url=second)
            for name, places in ((SMALL, [first]), (LATER, [second])):
                row.models.create(name=name, targets=places)
            other = make.upstream(theirs, f"http://127.0.0.1:{there.port}", usage_format="openai")
            other.models.create(name=OTHERS, targets=[])
        key = database.key_for(mine, f"{mine} {theirs}")
        gateway = start_once(workers=2).wait_until_ready()
        yield Scene(gateway, key, mine, theirs, here, later, there)
        with database.rows():
            row.delete()
            other.delete()


def fields(scene: Scene) -> list[str]:
    place, path = f"127.0.0.1:{scene.there.port}", f"/proxy/{scene.theirs}/x"
    return [
        f"X-Forwarded-Host: {place}", f"Forwarded: host={place}", f"X-Original-URL: {path}",
        f"X-Rewrite-URL: {path}", f"X-Forwarded-Uri: {path}", f"X-Upstream: {scene.theirs}",
        f"X-Momentry-Upstream: {scene.theirs}", f"X-Target: http://{place}",
        f"X-Model: {OTHERS}", f"X-Forwarded-Prefix: {path}", f"Referer: http://{place}/",
        f"Openai-Base-Url: http://{place}/v1", f"Helicone-Target-Url: http://{place}",
        f"X-Portkey-Provider: {scene.theirs}", f"X-Portkey-Custom-Host: http://{place}",
        f"api-base: http://{place}", f"Via: 1.1 {place}", f"Destination: http://{place}/x",
        "X-HTTP-Method-Override: CONNECT", f"Alt-Used: {place}", f":authority: {place}",
    ]  # fmt: skip


def names(scene: Scene) -> list[str]:
    place, slug = f"127.0.0.1:{scene.there.port}", scene.theirs
    return [
        OTHERS, f"{slug}/{OTHERS}", f"{slug}:{OTHERS}", f"../{slug}/{OTHERS}",
        f"http://{place}/", f"//{place}", f"/proxy/{slug}/x", f"{OTHERS}@{place}",
        f"%2e%2e/{slug}", f"{SMALL}/../{LATER}", LATER.upper(), f"{LATER} ", f"{LATER}\\u0000",
        f"http://127.0.0.1:{scene.later.port}", f"{SMALL},{LATER}", f"{SMALL}\\nmodel: {LATER}",
    ]  # fmt: skip


@pytest.mark.parametrize("way", ["/proxy/{}", ""])
def test_no_field_chooses(scene: Scene, way: str) -> None:
    path, body = f"{way.format(scene.mine)}/v1/chat/completions", b'{"model":"small"}'
    before = scene.seen()

    for field in fields(scene):
        asked = request("POST", path, scene.key, JSON, field, body=body)
        assert scene.gateway.ask(asked).status in {200, 400}, field

    here, later, there = (now - then for now, then in zip(scene.seen(), before, strict=True))
    assert (later, there) == (0, 0), scene.strays()
    assert here >= len(fields(scene)) - 4


def test_neither_host_nor_the_form_of_the_target_chooses(scene: Scene) -> None:
    before = scene.seen()
    place = f"127.0.0.1:{scene.there.port}"
    path, body = f"/proxy/{scene.mine}/x", b'{"model":"small"}'
    rest = f"Authorization: Bearer {scene.key}\r\n{JSON}\r\nContent-Length: {len(body)}\r\n\r\n"
    statuses = []
    for target, host in (
        (path, place), (path, "127.0.0.1:1"), (path, "[::1]"), (path, ""),
        (f"http://{place}{path}", place), (f"http://{place}{path}", "a.test"),
        (f"https://u:p@{place}{path}", place), (f"HTTP://{place}/v1/x", "a.test"),
        (f"/v1/x?url=http://{place}&upstream={scene.theirs}&model=small", place),
    ):  # fmt: skip
        head = f"POST {target} HTTP/1.1\r\nHost: {host}\r\n{rest}".encode()
        statuses.append(scene.gateway.ask(head + body).status)

    here, later, there = (now - then for now, then in zip(scene.seen(), before, strict=True))
    assert set(statuses) <= {200, 400}
    assert statuses.count(200) == here >= 6
    assert (later, there) == (0, 0), scene.strays()


@pytest.mark.parametrize("way", ["/proxy/{}", ""])
def test_no_models_name_leads_out_of_the_table(scene: Scene, way: str) -> None:
    """An unknown one goes to any target of this upstream, as the table says; never to another's."""
    path, before = f"{way.format(scene.mine)}/v1/chat/completions", scene.seen()

    for name in names(scene):
        body = f'{{"model":"{name}"}}'.encode()
        assert scene.gateway.ask(request("POST", path, scene.key, JSON, body=body)).status == 200

    here, later, there = (now - then for now, then in zip(scene.seen(), before, strict=True))
    assert (here + later, there) == (len(names(scene)), 0), scene.strays()


def test_of_two_names_none_chooses_a_target_of_the_first_alone(scene: Scene) -> None:
    """Whatever two readers would make of it: the body goes where any call may go, as it came."""
    path = f"/proxy/{scene.mine}/x"
    for body in (
        b'{"model":"small","model":"later"}', b'{"model":"small","MODEL":"later"}',
        b'{"model":["small"]}', b'{"model":{"model":"small"}}', b'\xef\xbb\xbf{"model":"small"}',
        '{"model":"small"}'.encode("utf-16"), b'{"x":{"model":"small"}}', b'{"model":"small"',
        b'{"model":"small/../later"}', b'{"model":"LATER"}', b'{"model":"later "}', b'{"model":""}',
    ):  # fmt: skip
        before = scene.seen()
        answers = [
            scene.gateway.ask(request("POST", path, scene.key, JSON, body=body)) for _ in range(24)
        ]
        here, later, there = (now - then for now, then in zip(scene.seen(), before, strict=True))
        assert there == 0
        assert here > 0 < later, body
        assert {answer.body.partition(b"\r\n\r\n")[2] for answer in answers} == {body}


def test_a_name_in_the_table_is_what_chooses(scene: Scene) -> None:
    before = scene.seen()
    for name in (SMALL, LATER, LATER):
        body = json.dumps({"model": name}).encode()
        asked = request("POST", f"/proxy/{scene.mine}/x", scene.key, JSON, body=body)
        assert scene.gateway.ask(asked).status == 200

    assert [now - then for now, then in zip(scene.seen(), before, strict=True)] == [1, 2, 0]
