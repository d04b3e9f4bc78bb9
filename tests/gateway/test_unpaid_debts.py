"""What a process let in alone is told until Valkey has said that it is counted, and counts once."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apikeys.test_debts import away, back
from tests.apikeys.test_window_leases import ask, run
from tests.apikeys.test_windows import left, subject
from tests.gateway import babble
from tests.gateway.babble import Babble
from tests.gateway.test_valkey_faults import Server

LIMIT, ALONE = 40, 3
COUNTED = b":1\r\n"
WORDS = {"another number": b":2\r\n", "an error": b"-ERR unknown command\r\n"}
NONSENSE = {"a text": b"+OK\r\n", "a list": b"*1\r\n:1\r\n", "nothing": b"$-1\r\n"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, directory: Path) -> Iterator[Server]:
    made = Server(directory / tmp_path_factory.mktemp("u").name)
    yield made
    made.redis.close()
    made.kill()


@pytest.fixture
def between(server) -> Iterator[Babble]:
    made = Babble(server.valkey.socket)
    yield made
    made.stop()


async def owe(process, effect):
    away(process)
    assert await process.admitted(effect, ALONE) == ALONE
    back(process)


def unpaid(process):
    return [dict(part.units) for part in process.entrance.debts.unpaid]


def answering(between: Babble, server: Server, word: bytes):
    """What is owed after this answer to the pay, what is left when Valkey has nothing of it and
    answers as ever, and what is owed then."""

    def wrongly(near: socket.socket, data: bytes) -> None:
        near.sendall(data.replace(COUNTED, word, 1))

    async def play(one):
        effect = ask((subject(), "minute", LIMIT))
        await owe(one, effect)
        between.say = wrongly
        await one.enter(effect)
        between.say = babble.truly
        owed = [sum(part.values()) for part in unpaid(one)]
        server.flush()
        back(one)
        return owed, left(await one.enter(effect)), unpaid(one)

    return run(play, 1, url=between.url)


@pytest.mark.parametrize("word", WORDS.values(), ids=WORDS)
def test_who_answers_wrongly_may_not_have_counted(between, server, word):
    assert answering(between, server, word) == ([ALONE], {"minute": LIMIT - ALONE - 1}, [])


@pytest.mark.parametrize("word", NONSENSE.values(), ids=NONSENSE)
def test_nor_whose_answer_is_to_no_question_of_ours(between, server, word):
    """Nothing is read of that connection any more: the request behind it was let in alone."""
    told = {"minute": LIMIT - ALONE - 2}
    assert answering(between, server, word) == ([ALONE], told, [])


def test_what_was_counted_and_wrongly_answered_counts_once(between):
    async def play(one):
        effect = ask((subject(), "minute", LIMIT))
        await owe(one, effect)
        between.say = lambda near, data: near.sendall(data.replace(COUNTED, b":0\r\n", 1))
        found = [left(await one.enter(effect))["minute"] for _ in range(3)]
        between.say = babble.truly
        return [*found, left(await one.enter(effect))["minute"]], unpaid(one)

    counted = LIMIT - ALONE
    assert run(play, 1, url=between.url) == ([counted - n for n in (1, 2, 3, 4)], [])


@pytest.mark.parametrize("is_full", [True, False], ids=["full", "a replica"])
def test_who_refuses_is_told_again(between, server, is_full):
    async def play(one):
        effect = ask((subject(), "minute", LIMIT))
        await owe(one, effect)
        if is_full:
            server.fill()
        else:
            server.redis.replicaof("127.0.0.1", "1")
        entered = await one.enter(effect)
        owed = sum(sum(part.values()) for part in unpaid(one))
        server.empty()
        server.redis.replicaof("no", "one")
        back(one)
        return entered.entry.shared, owed, left(await one.enter(effect)), unpaid(one)

    told = {"minute": LIMIT - ALONE - 2}  # one more was let in alone
    assert run(play, 1, url=between.url) == (False, ALONE, told, [])
