"""/v1/… leads to the upstream that serves it: the same rights, limits and rows as below /proxy/."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from apikeys.models import Grant
from proxy.models import Upstream
from tests import make
from tests.gateway.conftest import Database
from tests.gateway.llm import SECRET, TEXT, WORDS, OpenAI
from tests.gateway.misbehaving import row_of
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Answer, Server

ASKED: list[Any] = [{"role": "user", "content": "Say hello"}]
CHAT = b'{"model": "m", "messages": [{"role": "user", "content": "hello"}]}'


@pytest.fixture(scope="module")
def slug(database: Database, upstream: Server) -> Iterator[str]:
    """The upstream that serves it."""
    slug = f"v1-{uuid.uuid4().hex[:8]}"
    with database.rows():
        made = make.upstream(
            slug, f"http://127.0.0.1:{upstream.port}", credential=SECRET, injection="header",
            usage_format="openai", serves_v1=True,
        )  # fmt: skip
    yield slug
    with database.rows():
        made.delete()


@pytest.fixture(scope="module")
def secret(database: Database, slug: str) -> str:
    return database.key_for(f"by-{slug}", slug)


@pytest.fixture
def service(upstream: Server) -> OpenAI:
    return OpenAI(upstream)


@pytest.fixture
def client(gateway: Gateway, secret: str, service: OpenAI) -> Iterator[openai.OpenAI]:
    """With a base URL and a key, as its documentation has it, and nothing else."""
    base = f"http://127.0.0.1:{gateway.port}/v1"
    with openai.OpenAI(api_key=secret, base_url=base, max_retries=0) as made:
        yield made


def chat(gateway: Gateway, key: str, path: str = "/v1/chat/completions") -> Answer:
    return gateway.ask(request("POST", path, key, "Content-Type: application/json", body=CHAT))


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, json.loads(answer.body)["code"]


def test_openai_s_client_needs_a_base_url_and_a_key(client: openai.OpenAI) -> None:
    told = client.chat.completions.create(model="m", messages=ASKED)
    with client.chat.completions.create(model="m", messages=ASKED, stream=True) as stream:
        words = [chunk.choices[0].delta.content for chunk in stream if chunk.choices]

    assert told.choices[0].message.content == TEXT
    assert [word for word in words if word] == WORDS


def test_its_rows_name_the_upstream_and_the_path(
    gateway: Gateway, database: Database, secret: str, slug: str, service: OpenAI
) -> None:
    answer = chat(gateway, secret)

    row = row_of(database, answer.field("x-request-id"))
    assert (answer.status, row["upstream"], row["path"]) == (200, slug, "/v1/chat/completions")


def test_path_and_query_go_on_as_they_came(gateway: Gateway, secret: str, upstream: Server) -> None:
    sent = gateway.get("/v1/a%2Fb/?x=%41&x", secret).body

    assert sent.startswith(b"GET /v1/a%2Fb/?x=%41&x HTTP/1.1\r\n")
    assert f"Authorization: Bearer {SECRET}\r\n".encode() in sent
    assert secret.encode() not in sent


def test_a_request_that_came_before_goes_the_same_way(
    gateway: Gateway, secret: str, database: Database, slug: str
) -> None:
    wire = gateway.connect()
    call = request("GET", "/v1/models/x", secret)

    before = [wire.send(call).answer().status for _ in range(6)]
    database.change("UPDATE proxy_upstream SET serves_v1 = false WHERE slug = %s", slug)
    try:
        after = code(wire.send(call).answer())
    finally:
        database.change("UPDATE proxy_upstream SET serves_v1 = true WHERE slug = %s", slug)

    assert before == [200] * 6
    assert after == (404, "upstream_unknown")


def test_the_grant_on_its_slug_decides(gateway: Gateway, database: Database, slug: str) -> None:
    stranger = database.key_for(f"stranger-{slug}", "echo")
    with database.rows():
        member = make.member(f"narrow-{slug}", tier="starter")
        Grant.objects.create(member=member, upstream=slug, methods=["POST"], paths=["/v1/chat/"])
        narrow = make.key(member).secret

    assert code(chat(gateway, stranger)) == (403, "upstream_forbidden")
    assert chat(gateway, narrow).status == 200
    assert code(chat(gateway, narrow, "/v1/embeddings"))[0] == 403
    assert code(gateway.get("/v1/chat/completions", narrow))[0] == 403


@pytest.mark.parametrize(
    "path", ["/%761/models", "/v%31", "/v1/../x", "/v1//x", "/v1/%2e%2e/x", "/v1/a\\b", "/v1/%zz"]
)
def test_what_could_be_read_otherwise_is_refused(gateway: Gateway, secret: str, path: str) -> None:
    assert code(gateway.get(path, secret)) == (400, "path_refused")


def test_a_key_is_demanded(gateway: Gateway, slug: str) -> None:
    assert code(gateway.get("/v1/models")) == (401, "missing_key")


def test_nobody_serves_it(gateway: Gateway, database: Database, secret: str, slug: str) -> None:
    with database.rows():
        Upstream.objects.filter(slug=slug).update(serves_v1=False)
    try:
        answer = chat(gateway, secret)
    finally:
        with database.rows():
            Upstream.objects.filter(slug=slug).update(serves_v1=True)

    body = json.loads(answer.body)
    assert code(answer) == (404, "upstream_unknown")
    assert body["detail"] == "No upstream serves /v1 here."
    assert body["error"]["code"] == "upstream_unknown"
