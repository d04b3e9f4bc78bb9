"""The gateway's connection to Valkey: order, any split, a hang, an end, and recovery by itself."""

import asyncio
import contextlib
import os
import time

import pytest

from apikeys.gate import link
from apikeys.gate.link import MISSING, LinkError, encode, parse
from apikeys.gate.shapes import anything, is_done, is_number, numbers, places, says
from apikeys.gate.valkey import Valkey

REPLIES = b":-7\r\n*3\r\n:1\r\n$4\r\na\r\nb\r\n$-1\r\n+OK\r\n-NOSCRIPT no\r\n*0\r\n"


def test_replies_are_read_one_after_the_other():
    found, at = [], 0
    while at < len(REPLIES):
        value, at = parse(REPLIES, at)
        found.append(value)

    assert found[:3] == [-7, [1, b"a\r\nb", None], b"OK"]
    assert isinstance(found[3], LinkError)
    assert found[4] == []


@pytest.mark.parametrize("size", range(len(b"*2\r\n:1\r\n$2\r\nab\r\n")))
def test_a_reply_that_is_not_whole_is_waited_for(size):
    assert parse(b"*2\r\n:1\r\n$2\r\nab\r\n"[:size], 0)[0] is MISSING


def test_words_are_sent_by_their_length_in_bytes():
    assert encode(("SET", "é", 12)) == "*3\r\n$3\r\nSET\r\n$2\r\né\r\n$2\r\n12\r\n".encode()


def test_many_questions_at_once_each_get_their_own_answer():
    async def ask() -> list[int]:
        valkey = Valkey(os.environ["REDIS_URL"])
        script = "return {tonumber(ARGV[1]), KEYS[1]}"
        work = [valkey.ask(script, (f"k{n}",), (n,)) for n in range(500)]
        found = await asyncio.gather(*work)
        await valkey.close()
        return found

    assert asyncio.run(ask()) == [[n, f"k{n}".encode()] for n in range(500)]


async def served(speak, work):
    """The result of ``work(valkey)`` with a Valkey that speaks so."""

    async def converse(reader, writer):
        try:
            await speak(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    valkey = Valkey(f"redis://:secret@127.0.0.1:{port}/3")
    try:
        return await work(valkey)
    finally:
        await valkey.close()
        server.close()
        await asyncio.sleep(0.05)


def test_it_logs_in_and_chooses_its_database_first():
    heard = []

    async def speak(reader, writer):
        while data := await reader.read(4096):
            heard.append(data)
            writer.write(b"+OK\r\n")

    asyncio.run(served(speak, lambda valkey: valkey.ask("return 1", (), ())))

    assert [b"AUTH" in heard[0], b"secret" in heard[0], b"SELECT" in heard[1]] == [True] * 3
    assert b"EVAL" in heard[2]


def test_a_hang_is_noticed_once_and_then_nothing_is_asked():
    async def speak(reader, writer):
        await reader.read(4096)
        writer.write(b"+OK\r\n")
        await reader.read(4096)
        writer.write(b"+OK\r\n")
        await reader.read(-1)

    async def work(valkey):
        began = time.monotonic()
        found = await asyncio.gather(*(valkey.ask("return 1", (), ()) for _ in range(50)))
        first = time.monotonic() - began
        found += [await valkey.ask("return 1", (), ()) for _ in range(50)]
        return found, first, time.monotonic() - began - first

    found, first, later = asyncio.run(served(speak, work))

    assert found == [None] * 100
    assert 0.09 < first < 0.3
    assert later < 0.05


def test_a_loop_that_stood_still_is_no_outage():
    """What came meanwhile was only not read: else a busy machine would split the count."""

    async def ask():
        valkey = Valkey(os.environ["REDIS_URL"])
        await valkey.keep()
        question = asyncio.ensure_future(valkey.ask("return 5", (), ()))
        await asyncio.sleep(0)
        time.sleep(3 * link.TIMEOUT_SECONDS)  # noqa: ASYNC251  it is to stand still
        found = await question
        await valkey.close()
        return found

    assert asyncio.run(ask()) == 5


def test_a_loop_that_stood_still_while_it_connected_is_no_outage():
    async def ask():
        valkey = Valkey(os.environ["REDIS_URL"])
        question = asyncio.ensure_future(valkey.ask("return 5", (), ()))
        for _ in range(3):
            await asyncio.sleep(0)
            time.sleep(2 * link.TIMEOUT_SECONDS)  # noqa: ASYNC251  it is to stand still
        found = await question
        await valkey.close()
        return found

    assert asyncio.run(ask()) == 5


def test_a_connection_that_ended_is_made_again_after_the_rest(monkeypatch):
    monkeypatch.setattr("apikeys.gate.valkey.AWAY_SECONDS", 0.05)

    async def speak(reader, writer):
        for word in (b"+OK\r\n", b"+OK\r\n", b":1\r\n"):
            await reader.read(4096)
            writer.write(word)

    async def work(valkey):
        found = [await valkey.ask("return 1", (), ())]
        await asyncio.sleep(0.02)
        found.append(await valkey.ask("return 1", (), ()))
        return found

    assert asyncio.run(served(speak, work)) == [1, 1]


NONSENSE = {
    "a word": b"+OK\r\n",
    "another protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "no number": b":x\r\n",
    "no length": b"*x\r\n",
    "one too few": b"*2\r\n:1\r\n:2\r\n",
    "not numbers": b"*3\r\n+a\r\n+b\r\n+c\r\n",
    "nothing": b"$-1\r\n",
    "more than was asked for": b"*3\r\n:1\r\n:2\r\n:3\r\n+OK\r\n",
    "lists of lists": b"*1\r\n" * 10_000,
}


@pytest.mark.parametrize("words", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_an_outage_and_its_connection_is_left(words):
    async def speak(reader, writer):
        for word in (b"+OK\r\n", b"+OK\r\n", words):
            await reader.read(4096)
            writer.write(word)
        assert await reader.read(4096) == b""

    async def work(valkey):
        found = await valkey.ask("return {1, 2, 3}", (), (), numbers(3))
        await asyncio.sleep(0.02)
        return found, valkey.link.ended

    found, ended = asyncio.run(served(speak, work))

    assert found == ([1, 2, 3] if words.endswith(b":3\r\n+OK\r\n") else None)
    assert ended


def test_replies_one_question_off_are_read_by_nobody():
    """The second reply would fit the last question, and was meant for the one before."""

    async def speak(reader, writer):
        for _ in range(2):
            await reader.read(4096)
            writer.write(b"+OK\r\n")
        heard = (await reader.read(4096))[:0]
        writer.write(b"*2\r\n:1\r\n:0\r\n")
        while heard.count(b"EVAL") < 2:
            heard += await reader.read(4096)
        writer.write(b"*3\r\n:0\r\n:1\r\n:0\r\n:1\r\n:0\r\n")
        await reader.read(4096)

    async def work(valkey):
        first = await valkey.ask("return {1, 0}", (), (), numbers(2))
        valkey.tell("EVAL", "return 1", 0, fits=is_done)
        return first, await valkey.ask("return 0", (), (), is_number), valkey.link.ended

    assert asyncio.run(served(speak, work)) == ([1, 0], None, True)


@pytest.mark.parametrize(
    ("fits", "reply", "expected"),
    [
        (is_done, 1, True),
        (is_done, 0, False),
        (is_done, [1], False),
        (says(b"OK"), b"OK", True),
        (says(b"OK"), 1, False),
        (is_number, 0, True),
        (is_number, b"0", False),
        (numbers(2), [1, 2], True),
        (numbers(2), b"12", False),
        (places(2), [], True),
        (places(2), [2, 1], True),
        (places(2), [3], False),
        (places(2), [0], False),
    ],
)
def test_what_a_script_may_reply(fits, reply, expected):
    assert fits(reply) is expected


def test_many_replies_of_which_each_comes_in_time_are_not_waited_for_long(monkeypatch):
    monkeypatch.setattr(link, "LONGEST_SECONDS", 0.3)

    async def speak(reader, writer):
        for word in (b"+OK\r\n", b"+OK\r\n", b"+PONG\r\n"):
            await reader.read(4096)
            writer.write(word)
        with contextlib.suppress(ConnectionError):
            while not writer.is_closing():
                await asyncio.sleep(link.TIMEOUT_SECONDS / 2)
                writer.write(b":1\r\n")
                await writer.drain()

    async def work(valkey):
        await valkey.keep()
        began = time.monotonic()
        found = await asyncio.gather(*(valkey.ask("return 1", (), ()) for _ in range(50)))
        return found, time.monotonic() - began

    found, seconds = asyncio.run(served(speak, work))

    assert found[0] == 1
    assert found[-1] is None
    assert seconds < 1


def test_a_reply_that_comes_byte_by_byte_is_not_waited_for():
    async def speak(reader, writer):
        for _ in range(2):
            await reader.read(4096)
            writer.write(b"+OK\r\n")
        with contextlib.suppress(ConnectionError):
            while not writer.is_closing():
                await asyncio.sleep(link.TIMEOUT_SECONDS / 3)
                writer.write(b":")
                await writer.drain()

    async def work(valkey):
        began = time.monotonic()
        return await valkey.ask("return 1", (), ()), time.monotonic() - began

    found, seconds = asyncio.run(served(speak, work))

    assert found is None
    assert seconds < 0.3


def test_who_is_not_let_in_leaves_no_connection_behind(monkeypatch):
    monkeypatch.setattr("apikeys.gate.valkey.AWAY_SECONDS", 0.0)
    ended = []

    async def speak(reader, writer):
        await reader.read(4096)
        writer.write(b"-WRONGPASS invalid username-password pair\r\n")
        ended.append(await reader.read(4096) == b"")

    async def work(valkey):
        found = [await valkey.ask("return 1", (), ()) for _ in range(3)]
        await asyncio.sleep(0.05)
        return found

    assert asyncio.run(served(speak, work)) == [None] * 3
    assert ended == [True] * 3


def test_nobody_there_is_an_answer_too():
    async def ask():
        valkey = Valkey("redis://127.0.0.1:9/0")
        valkey.tell("PING", fits=anything)
        return await valkey.ask("return 1", (), ()), valkey.is_away()

    assert asyncio.run(ask()) == (None, True)
