"""OpenAI's and Anthropic's own SDKs through the gateway: answers, streams, errors, cut streams."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from tests import make
from tests.gateway.conftest import Database
from tests.gateway.llm import SECRET, TEXT, WORDS, Anthropic, OpenAI
from tests.gateway.metered import only_row
from tests.gateway.processes import Gateway
from tests.gateway.wire import Server, tcp_server

pytestmark = pytest.mark.slow

ASKED: list[Any] = [{"role": "user", "content": "Say hello"}]


@pytest.fixture(scope="module")
def llm() -> Iterator[Server]:
    server = tcp_server()
    yield server
    server.stop()


@pytest.fixture
def openai_service(llm: Server) -> OpenAI:
    return OpenAI(llm)


@pytest.fixture
def anthropic_service(llm: Server) -> Anthropic:
    return Anthropic(llm)


@pytest.fixture(scope="module")
def secret(database: Database, llm: Server) -> Iterator[str]:
    base = f"http://127.0.0.1:{llm.port}"
    with database.rows():
        rows = [
            make.upstream(
                "gpt", base, credential=SECRET, injection="header", usage_format="openai"
            ),
            make.upstream(
                "claude",
                base,
                credential=SECRET,
                injection="header",
                injection_name="x-api-key",
                injection_template="{credential}",
                usage_format="anthropic",
            ),
        ]
    yield database.key_for("sdk-caller", "gpt claude")
    with database.rows():
        for row in rows:
            row.delete()


def place(gateway: Gateway, slug: str) -> str:
    return f"http://127.0.0.1:{gateway.port}/proxy/{slug}"


@pytest.fixture
def gpt(gateway: Gateway, secret: str, openai_service: OpenAI) -> Iterator[openai.OpenAI]:
    base = f"{place(gateway, 'gpt')}/v1"
    with openai.OpenAI(api_key=secret, base_url=base, max_retries=0) as client:
        yield client


@pytest.fixture
def claude(
    gateway: Gateway, secret: str, anthropic_service: Anthropic
) -> Iterator[anthropic.Anthropic]:
    base = place(gateway, "claude")
    with anthropic.Anthropic(api_key=secret, base_url=base, max_retries=0) as client:
        yield client


def test_openai_answers(gpt: openai.OpenAI) -> None:
    raw = gpt.chat.completions.with_raw_response.create(model="m", messages=ASKED)
    told = raw.parse()

    assert told.choices[0].message.content == TEXT
    assert told.usage is not None
    assert told.usage.total_tokens == 14
    assert raw.headers["x-upstream-request-id"] == "req_theirs"
    assert raw.headers["openai-processing-ms"] == "7"


def test_openai_streams_word_by_word(gpt: openai.OpenAI, openai_service: OpenAI) -> None:
    words, usage = [], None
    heard = openai_service.words.heard = threading.Event()
    with gpt.chat.completions.create(
        model="m", messages=ASKED, stream=True, stream_options={"include_usage": True}
    ) as stream:
        for chunk in stream:
            if chunk.choices and (word := chunk.choices[0].delta.content):
                words.append(word)
                heard.set()
            usage = chunk.usage or usage

    assert words == WORDS
    assert openai_service.words.in_time  # not all at the end
    assert usage is not None
    assert usage.total_tokens == 14


def test_openais_stream_is_counted_and_its_client_told_nothing_of_it(
    gpt: openai.OpenAI, database: Database
) -> None:
    with gpt.chat.completions.create(
        model="counted", messages=ASKED, stream=True, max_tokens=50
    ) as stream:
        chunks = list(stream)

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == TEXT
    assert not any(chunk.usage for chunk in chunks)
    row = only_row(database, "model = %s", "counted")
    assert (row["tokens_in"], row["tokens_out"], row["usage_source"]) == (9, 5, "reported")


def test_openais_asynchronous_client_streams_many_at_once(
    gateway: Gateway, secret: str, openai_service: OpenAI
) -> None:
    async def one(client: openai.AsyncOpenAI) -> str:
        stream = await client.chat.completions.create(model="m", messages=ASKED, stream=True)
        return "".join(
            [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
        )

    async def all_at_once() -> list[str]:
        base = f"{place(gateway, 'gpt')}/v1"
        async with openai.AsyncOpenAI(api_key=secret, base_url=base, max_retries=0) as client:
            return await asyncio.gather(*(one(client) for _ in range(20)))

    assert asyncio.run(all_at_once()) == [TEXT] * 20


def test_an_upstreams_refusal_is_told_as_it_is(
    gpt: openai.OpenAI, claude: anthropic.Anthropic
) -> None:
    with pytest.raises(openai.RateLimitError, match="Slow down"):
        gpt.chat.completions.create(model="busy", messages=ASKED)
    with pytest.raises(anthropic.RateLimitError, match="Slow down"):
        claude.messages.create(model="busy", max_tokens=9, messages=ASKED)
    with pytest.raises(anthropic.BadRequestError, match="at least one"):
        claude.messages.create(model="m", max_tokens=9, messages=[])


def test_a_broken_stream_is_an_error_in_both(
    gpt: openai.OpenAI,
    claude: anthropic.Anthropic,
    openai_service: OpenAI,
    anthropic_service: Anthropic,
) -> None:
    openai_service.cuts = anthropic_service.cuts = True
    words: list[str] = []

    def listen() -> None:
        for chunk in gpt.chat.completions.create(model="m", messages=ASKED, stream=True):
            words.append(chunk.choices[0].delta.content or "")  # noqa: PERF401  it is cut

    def listen_too() -> None:
        with claude.messages.stream(model="m", max_tokens=9, messages=ASKED) as stream:
            words.extend(stream.text_stream)

    for call, error in (
        (listen, openai.APIConnectionError),
        (listen_too, httpx2.RemoteProtocolError),
    ):
        words.clear()
        with pytest.raises(error):
            call()

        assert words == WORDS


def test_anthropic_answers(claude: anthropic.Anthropic) -> None:
    told = claude.messages.create(model="m", max_tokens=9, messages=ASKED)

    assert told.content[0].type == "text"
    assert told.content[0].text == TEXT
    assert told.usage.output_tokens == 5


def test_anthropic_streams_word_by_word(
    claude: anthropic.Anthropic, anthropic_service: Anthropic
) -> None:
    words: list[str] = []
    heard = anthropic_service.words.heard = threading.Event()
    with claude.messages.stream(model="m", max_tokens=9, messages=ASKED) as stream:
        for word in stream.text_stream:
            words.append(word)
            heard.set()
        told = stream.get_final_message()

    assert words == WORDS
    assert anthropic_service.words.in_time  # not all at the end
    assert (told.stop_reason, told.usage.output_tokens) == ("end_turn", 5)


def test_anthropics_stream_is_counted(claude: anthropic.Anthropic, database: Database) -> None:
    with claude.messages.stream(model="counted-too", max_tokens=9, messages=ASKED) as stream:
        assert "".join(stream.text_stream) == TEXT

    row = only_row(database, "model = %s", "counted-too")
    assert (row["tokens_in"], row["tokens_out"], row["usage_source"]) == (9, 5, "reported")


def test_the_callers_key_ends_here_and_ours_never_comes_back(
    gpt: openai.OpenAI, llm: Server, secret: str
) -> None:
    raw = gpt.chat.completions.with_raw_response.create(model="m", messages=ASKED)

    assert secret.encode() not in b"".join(llm.heads)
    assert SECRET not in raw.text + str(raw.headers)
