"""Grants for some models only: what a call names is judged before anything of it goes up, and what
cannot be read is nothing that was granted (ACL-06, PRX-09)."""

import json
from collections.abc import Iterator

import pytest

from apikeys.models import Grant
from tests import make
from tests.gateway.conftest import Database
from tests.gateway.handshake import ASKED, accepted
from tests.gateway.misbehaving import hang, says
from tests.gateway.processes import Gateway, request
from tests.gateway.test_models import JSON, Offering, sent
from tests.gateway.test_upstreams_live import UPSTREAMS
from tests.gateway.wire import Server

TEXT = "application/x-www-form-urlencoded"
ALL, SMALL = '{"model":"large"}', '{"model":"small"}'


class Granting(Offering):
    """``key``: a member's, who may use two models, with one grant of its own for fewer."""

    def __init__(self, database: Database, gateway: Gateway, upstream: Server) -> None:
        super().__init__(database, gateway, upstream)
        self.database = database
        with database.rows():
            # Without limits, so that what came before goes the short way.
            member = make.member(f"m-{self.slug}", tier=make.tier(f"t{self.slug[5:]}").slug)
            models = ["small", "large"]
            self.of_member = Grant.objects.create(member=member, upstream=self.slug, models=models)
            self.wide = make.key(member).secret
            issued = make.key(member)
            self.of_key = Grant.objects.create(
                key=issued.key, upstream=self.slug, models=["small", "tiny"]
            )
        self.key = issued.secret

    def with_wide(self, body: str) -> str:
        narrow, self.key = self.key, self.wide
        try:
            return self.code(body)
        finally:
            self.key = narrow


@pytest.fixture
def house(database: Database, gateway: Gateway, upstream: Server) -> Iterator[Granting]:
    made = Granting(database, gateway, upstream)
    with database.rows():
        made.make(usage_format="openai", targets=[{"base_url": made.base_url}])
        yield made
        Grant.objects.filter(upstream=made.slug).delete()  # else the upstream stays for the key
        made.api.delete(f"{UPSTREAMS}/{made.slug}")


def test_a_key_may_use_what_its_own_grant_and_its_members_both_name(house: Granting) -> None:
    bodies = {name: json.dumps({"model": name}) for name in ("small", "large", "tiny", "other")}

    assert {name: house.code(body) for name, body in bodies.items()} == {
        "small": "", "large": "model_forbidden", "tiny": "model_forbidden",
        "other": "model_forbidden",
    }  # fmt: skip
    assert {name: house.with_wide(body) for name, body in bodies.items()} == {
        "small": "", "large": "", "tiny": "model_forbidden", "other": "model_forbidden",
    }  # fmt: skip


HIDDEN = [
    ("{}", JSON), ('{"model": 5}', JSON), ("{", JSON), ('{"model":"small","model":"large"}', JSON),
    ('{"model":"small","Model":"large"}', JSON), (SMALL, "Content-Type: text/plain"),
    (SMALL, "X-Nothing: 1"), (SMALL, f"{JSON}; charset=utf-7"), (SMALL, f"{JSON}; Charset*=utf-16"),
    (SMALL, f"{JSON}\r\nContent-Type: {TEXT}"), (SMALL, f"{JSON}\r\nContent-Encoding: deflate"),
    (SMALL, f"{JSON};charset=utf-8;charset=utf-7"),
    ('{"model":"small","pad":"' + "x" * (1 << 20) + '"}', JSON),
]  # fmt: skip


@pytest.mark.parametrize(("body", "field"), HIDDEN, ids=lambda value: str(value)[:40])
def test_what_cannot_be_read_is_not_granted(
    house: Granting, upstream: Server, body: str, field: str
) -> None:
    answer = house.ask(body, field, path="/not-granted")

    told = json.loads(answer.body)
    assert (answer.status, told["code"]) == (403, "model_forbidden")
    assert (told["error"]["code"], told["error"]["type"]) == ("model_forbidden", "permission_error")
    assert upstream.heads_of("/not-granted") == []


@pytest.mark.parametrize(
    "field",
    [f"{JSON}; charset=utf-8", f'{JSON};a=b;Charset="UTF-8" ;c=d', f"{JSON}; charset=utf8",
     f"{JSON}; a=b\r\nContent-Encoding: Identity"],
)  # fmt: skip
def test_what_is_json_in_utf_8_to_everybody_is_read(house: Granting, field: str) -> None:
    assert house.code(SMALL, field) == ""
    assert house.code('{"model":"tiny"}', field) == "model_forbidden"


def test_chunks_that_grow_too_large_are_refused(house: Granting, upstream: Server) -> None:
    wire = house.gateway.connect()
    path = f"/proxy/{house.slug}/grows"
    wire.send(request("POST", path, house.key, JSON, "Transfer-Encoding: chunked"))
    wire.send(b'c\r\n{"model":"sm\r\n')
    for _ in range(17):
        wire.send(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")

    assert wire.answer().status == 403
    assert upstream.heads_of("/grows") == []


def test_other_methods_and_queries_are_no_way_around(house: Granting) -> None:
    def get(path: str) -> int:
        return house.gateway.get(f"/proxy/{house.slug}{path}", house.key).status

    assert house.code(SMALL, method="PUT") == "model_forbidden"
    assert house.code(SMALL, path="/x?model=large") == "model_forbidden"
    assert [get(path) for path in ("/x", "/x?model=small", "/x?model=large")] == [200, 200, 403]


def test_a_websocket_names_its_model_in_the_query(house: Granting, upstream: Server) -> None:
    upstream.on("/switch-models", says(accepted(), hang))

    def status(query: str) -> int:
        path = f"/proxy/{house.slug}/switch-models{query}"
        wire = house.gateway.connect().send(request("GET", path, house.key, *ASKED))
        return wire.head().status

    assert [status(query) for query in ("", "?model=large", "?model=small")] == [403, 403, 101]


def test_the_same_head_with_another_body_is_another_call(house: Granting) -> None:
    wire = house.gateway.connect()
    path = f"/proxy/{house.slug}/x"

    def status(body: str) -> int:
        call = request("POST", path, house.key, JSON, body=body.encode())
        return wire.send(call).answer().status

    assert [status(SMALL) for _ in range(6)] == [200] * 6
    assert [status(ALL), status(SMALL)] == [403, 200]


def test_the_name_that_counts_is_the_clients(house: Granting) -> None:
    house.offers("small", sent_as="large")
    house.offers("large", sent_as="small")

    assert sent(house.ask(SMALL))[1] == b'{"model":"large"}'
    assert house.code(ALL) == "model_forbidden"


def test_a_change_of_a_grant_is_followed(house: Granting) -> None:
    assert house.code(ALL) == "model_forbidden"
    with house.database.rows():
        Grant.objects.filter(pk=house.of_key.pk).update(models=[])
    assert house.code(ALL) == ""
    with house.database.rows():
        Grant.objects.filter(pk=house.of_member.pk).update(models=["tiny"])

    assert house.code(ALL) == "model_forbidden"


def test_v1_models_names_those_that_the_key_may_use(house: Granting) -> None:
    for name in ("small", "large", "tiny", "other"):
        house.offers(name)
    house.change(serves_v1=True)

    def listed(key: str) -> list[str]:
        told = json.loads(house.gateway.get("/v1/models", key).body)
        return [model["id"] for model in told["data"]]

    assert listed(house.key) == ["small"]
    assert listed(house.wide) == ["large", "small"]


def test_an_upstream_whose_calls_tell_no_model_is_not_granted(house: Granting) -> None:
    house.change(usage_format="none")

    assert house.code(SMALL) == "model_forbidden"
