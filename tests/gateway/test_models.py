"""The models an upstream offers: which target a call goes to, what it is called there, and which
calls are refused. Nothing of the body changes but the one name (PRX-08, PRX-09)."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.gateway.conftest import Database
from tests.gateway.misbehaving import row_of
from tests.gateway.processes import Gateway, request
from tests.gateway.test_upstreams_live import UPSTREAMS, House
from tests.gateway.wire import Answer, Server

JSON = "Content-Type: application/json"
ODD = ' {"a" : "\\u00e9\\/ü" ,"x":{"model":"small"},\n"model" \t: "small","z":[1e3, 1.0]}\r\n'


class Offering(House):
    def offers(self, name: str, **given: Any) -> None:
        answer = self.api.post(f"{UPSTREAMS}/{self.slug}/models", {"name": name, **given})
        assert answer.status_code == 201, answer.content

    def ask(self, body: str, *fields: str, path: str = "/x", method: str = "POST") -> Answer:
        given = fields or (JSON,)
        asked = request(method, f"/proxy/{self.slug}{path}", self.key, *given, body=body.encode())
        return self.gateway.ask(asked)

    def named(self, model: Any) -> Answer:
        return self.ask(json.dumps({"model": model}))

    def code(self, *given: str, **more: str) -> str:
        answer = self.ask(*given, **more)
        return "" if answer.status == 200 else str(json.loads(answer.body)["code"])


@pytest.fixture
def house(database: Database, gateway: Gateway, upstream: Server) -> Iterator[Offering]:
    made = Offering(database, gateway, upstream)
    with database.rows():
        first, second = made.base_url, f"{made.base_url}/eu"
        made.make(usage_format="openai", targets=[{"base_url": first}, {"base_url": second}])
        yield made
        made.api.delete(f"{UPSTREAMS}/{made.slug}")


def sent(answer: Answer) -> tuple[str, bytes]:
    """Path and body as the upstream got them, whose length is what was said."""
    head, _, body = answer.body.partition(b"\r\n\r\n")
    assert answer.status == 200, answer.body
    return head.split(b" ")[1].decode(), body


def test_a_model_goes_to_the_targets_that_serve_it(house: Offering) -> None:
    house.offers("here", targets=[house.base_url])
    house.offers("there", targets=[f"{house.base_url}/eu"])

    found = {
        model: Counter(sent(house.named(model))[0] for _ in range(16))
        for model in ("here", "there", "other")
    }

    assert found["here"] == {"/x": 16}
    assert found["there"] == {"/eu/x": 16}
    assert set(found["other"]) == {"/x", "/eu/x"}


def test_only_its_name_is_another_one_in_the_body(house: Offering, database: Database) -> None:
    house.offers("small", sent_as='gpt-"4"')
    chunks = f"{len(ODD.encode()):x}\r\n{ODD}\r\n0\r\nX-Sum: 1\r\n\r\n".encode()
    wire = house.gateway.connect()
    path = f"/proxy/{house.slug}/x"
    wire.send(request("POST", path, house.key, JSON, "Transfer-Encoding: chunked") + chunks)
    chunked, sized = wire.answer(), house.ask(ODD)

    want = ODD.replace('"model" \t: "small"', '"model" \t: "gpt-\\"4\\""').encode()
    assert sent(sized)[1] == want
    assert f"content-length: {len(want)}".encode() in sized.body.lower()
    assert want in chunked.body
    assert b"x-sum: 1" in chunked.body.lower()
    row = row_of(database, sized.field("x-request-id"))
    assert (row["status"], row["bytes_in"]) == (200, len(ODD.encode()))
    assert row["model"] == 'gpt-"4"'


@pytest.mark.parametrize(
    "body",
    ['{"model":"other"}', "{", "[]", '{"model":5}', '{"model":"small","model":"x"}', "x" * 99],
)
def test_what_is_not_on_the_list_goes_on_as_it_came(house: Offering, body: str) -> None:
    house.offers("small", sent_as="large", targets=[house.base_url])

    assert sent(house.ask(body))[1] == body.encode()


def test_however_deep_a_body_is_nobody_ends_in_a_defect(house: Offering) -> None:
    """It is read, altered to ask for its usage, and given another name, each in another frame."""
    house.offers("small", sent_as="another")
    body = '{{"x":{}{},"model":"small","stream":true}}'
    options = '{{"stream_options":{{"x":{}{}}},"model":"small","stream":true}}'

    found = Counter(
        house.ask(text.format("[" * depth, "]" * depth), path="/v1/chat/completions").status
        for depth in (20, 500, *range(940, 990))
        for text in (body, options)
    )

    assert set(found) <= {200, 404}
    assert found[200] > 4


def test_a_body_that_is_too_large_to_be_looked_at_goes_on(house: Offering) -> None:
    house.offers("small", sent_as="large")
    body = json.dumps({"model": "small", "pad": "x" * (1 << 20)})

    assert sent(house.ask(body))[1] == body.encode()


HIDDEN = [
    ("{}", JSON), ('{"model": 5}', JSON), ('{"model": ["small"]}', JSON), ("{", JSON),
    ('{"model":"small","model":"other"}', JSON), ('{"model":"small","Model":"other"}', JSON),
    ('{"MODEL":"small"}', JSON), ('{"model":"small"}', "Content-Type: text/plain"),
    ('{"model":"small"}', "X-Nothing: 1"), ('{"model":"small "}', JSON),
    ('{"model":"small"}', "Content-Type: multipart/form-data; boundary=x"),
    ('{"model":"other"}', JSON), ('{"model":"off"}', JSON), ('{"model":"Small"}', JSON),
    ('{"model":"small","pad":"' + "x" * (1 << 20) + '"}', JSON),
]  # fmt: skip


@pytest.mark.parametrize(("body", "field"), HIDDEN, ids=lambda value: str(value)[:40])
def test_an_upstream_of_its_models_only_refuses_all_else(
    house: Offering, upstream: Server, body: str, field: str
) -> None:
    house.offers("small")
    house.offers("off", is_active=False)
    house.change(models_only=True)

    answer = house.ask(body, field, path="/refused-of-a-list")

    told = json.loads(answer.body)
    assert (answer.status, told["code"], told["error"]["code"]) == (404, *["model_unknown"] * 2)
    assert upstream.heads_of("/refused-of-a-list") == []


def test_calls_that_name_none_go_on_and_a_query_counts_too(house: Offering) -> None:
    house.offers("small")
    house.change(models_only=True)

    def get(path: str) -> int:
        return house.gateway.get(f"/proxy/{house.slug}{path}", house.key).status

    paths = ("/models", "/x?model=small", "/x?model=other", "/x?%6dodel=other", "/x?Model=other")
    assert [get(path) for path in paths] == [200, 200, 404, 404, 404]
    assert house.code('{"model":"small"}', path="/x?model=other") == "model_unknown"
    assert house.code('{"model":"small"}', method="PUT") == "model_unknown"
    assert house.code('{"model":"small"}') == ""


def test_a_change_is_followed_by_a_request_repeated(house: Offering) -> None:
    wire = house.gateway.connect()
    call = request("POST", f"/proxy/{house.slug}/x", house.key, JSON, body=b'{"model":"small"}')

    def bodies(count: int) -> set[bytes]:
        return {wire.send(call).answer().body.partition(b"\r\n\r\n")[2] for _ in range(count)}

    seen = [bodies(6)]
    house.offers("small", sent_as="large", targets=[house.base_url])
    seen.append(bodies(6))
    row = house.api.get(f"{UPSTREAMS}/{house.slug}/models").json()["results"][0]
    house.api.patch(f"{UPSTREAMS}/{house.slug}/models/{row['id']}", {"is_active": False})
    refused = wire.send(call).answer()

    assert seen == [{b'{"model":"small"}'}, {b'{"model":"large"}'}]
    assert refused.status == 404


def test_the_same_head_with_another_body_is_another_call(house: Offering) -> None:
    house.offers("small")
    house.change(models_only=True, targets=[{"base_url": house.base_url}])
    wire = house.gateway.connect()
    path = f"/proxy/{house.slug}/x"

    def status(body: bytes) -> int:
        return wire.send(request("POST", path, house.key, JSON, body=body)).answer().status

    assert [status(b'{"model":"small"}') for _ in range(6)] == [200] * 6
    assert status(b'{"model":"other"}') == 404
    assert status(b'{"model":"small"}') == 200


def test_a_stream_that_is_asked_what_it_used_has_the_other_name_too(house: Offering) -> None:
    house.offers("small", sent_as="a-longer-name")
    body = '{"model":"small","stream":true,"messages":[]}'

    answer = house.ask(body, path="/chat/completions")

    asked = json.loads(sent(answer)[1])
    assert (asked["model"], asked["stream_options"]) == ("a-longer-name", {"include_usage": True})
    assert f"content-length: {len(sent(answer)[1])}".encode() in answer.body.lower()


def test_a_model_whose_targets_are_gone_goes_nowhere_else(house: Offering) -> None:
    house.offers("small", targets=[f"{house.base_url}/eu"])
    house.change(targets=[{"base_url": house.base_url}])

    assert house.code('{"model":"small"}') == "upstream_unavailable"
    assert house.code('{"model":"other"}') == ""


def test_v1_models_is_the_list_where_there_is_one(house: Offering, upstream: Server) -> None:
    house.offers("small", sent_as="gpt-secret-name", targets=[house.base_url])
    house.offers("off", is_active=False)
    house.change(serves_v1=True)
    before = len(upstream.heads_of("/v1/models"))

    told = house.gateway.get("/v1/models?x", house.key)
    theirs = house.gateway.get(f"/proxy/{house.slug}/models", house.key)

    body = json.loads(told.body)
    assert (told.status, body["object"]) == (200, "list")
    assert [model | {"created": 0} for model in body["data"]] == [
        {"id": "small", "object": "model", "created": 0, "owned_by": house.slug}
    ]
    assert sent(theirs)[0] in {"/models", "/eu/models"}
    assert len(upstream.heads_of("/v1/models")) == before


def test_without_a_list_it_is_the_upstreams_own(house: Offering) -> None:
    house.change(serves_v1=True, targets=[{"base_url": house.base_url}])

    assert sent(house.gateway.get("/v1/models", house.key))[0] == "/v1/models"
