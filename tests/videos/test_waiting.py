"""The long poll around Django: who is called when, who is not let in, and who has left."""

import asyncio
import threading

import pytest

from videos import waiting

SCOPE = {"type": "http", "path": waiting.PATH, "method": "POST"}
NOTHING = [(b"x-momentry-wait", b"20 asr ocr"), (b"retry-after", b"5"), (b"x-request-id", b"1")]


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(waiting, "LOOK_SECONDS", 0.01)


class Queue:
    """What ``look`` finds, and a Django that hands it out."""

    def __init__(self) -> None:
        self.steps = self.asked = self.looks = 0
        self.bodies: list[bytes] = []

    def look(self, processors, most):
        self.looks += 1
        return {"asr": min(self.steps, most)}

    async def django(self, scope, receive, send):
        self.asked += 1
        self.bodies.append((await receive())["body"])
        if self.steps:
            self.steps -= 1
            await send({"type": "http.response.start", "status": 200, "headers": []})
        else:
            await send({"type": "http.response.start", "status": 204, "headers": NOTHING})
        await send({"type": "http.response.body", "body": b""})


class Client:
    def __init__(self, queue: Queue, waiters: waiting.Waiters) -> None:
        self.sent: list[waiting.Message] = []
        self.inbox: asyncio.Queue[waiting.Message] = asyncio.Queue()
        self.inbox.put_nowait({"type": "http.request", "body": b"{", "more_body": True})
        self.inbox.put_nowait({"type": "http.request", "body": b"}"})
        request = waiting.Request(queue.django, SCOPE, self.inbox.get, self.keep)
        self.task = asyncio.create_task(request.serve(waiters))

    async def keep(self, message):
        self.sent.append(message)

    @property
    def status(self):
        return self.sent[0]["status"] if self.sent else None

    @property
    def names(self):
        return {name for name, _ in self.sent[0]["headers"]}


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  what is looked at has no event
            await asyncio.sleep(0.005)


def test_who_waits_is_called_when_there_is_something_first_come_first_served():
    async def run():
        queue = Queue()
        waiters = waiting.Waiters(queue.look)
        clients = [Client(queue, waiters)]
        await until(lambda: len(waiters.waiting) == 1)
        clients += [Client(queue, waiters), Client(queue, waiters)]
        await until(lambda: len(waiters.waiting) == 3 and queue.looks > 3)
        assert queue.asked == 3  # nobody asks while nothing is there
        queue.steps = 1
        await until(lambda: clients[0].status)
        assert [client.status for client in clients] == [200, None, None]
        assert queue.asked == 4
        assert set(queue.bodies) == {b"{}"}
        waiters.end()
        await asyncio.gather(*(client.task for client in clients))
        assert [client.status for client in clients] == [200, 204, 204]
        assert clients[0].names == {b"x-momentry-waited"}

    asyncio.run(run())


def test_who_is_one_too_many_is_answered_at_once_with_a_pause():
    async def run():
        queue = Queue()
        waiters = waiting.Waiters(queue.look, most=1)
        first = Client(queue, waiters)
        await until(lambda: waiters.waiting)
        second = Client(queue, waiters)
        await second.task
        assert (second.status, second.names) == (204, {b"retry-after", b"x-request-id"})
        assert first.status is None
        first.task.cancel()

    asyncio.run(run())


def test_who_has_left_is_given_nothing_and_takes_no_room():
    async def run():
        queue = Queue()
        waiters = waiting.Waiters(queue.look, most=1)
        gone = Client(queue, waiters)
        await until(lambda: waiters.waiting)
        gone.inbox.put_nowait({"type": "http.disconnect"})
        await gone.task
        queue.steps = 1
        stays = Client(queue, waiters)
        await stays.task
        assert (gone.sent, stays.status) == ([], 200)

    asyncio.run(run())


def test_after_the_time_the_answer_is_nothing_and_says_no_pause(monkeypatch):
    monkeypatch.setitem(globals(), "NOTHING", [(b"x-momentry-wait", b"0.05 asr"), NOTHING[1]])

    async def run():
        queue = Queue()
        client = Client(queue, waiting.Waiters(queue.look))
        await client.task
        ((name, waited),) = client.sent[0]["headers"]
        assert (client.status, name, queue.asked) == (204, b"x-momentry-waited", 1)
        assert 50 <= int(waited) < 5000

    asyncio.run(run())


def test_a_server_that_ends_waits_for_nobody():
    async def run():
        queue = Queue()
        waiters = waiting.Waiters(queue.look)
        client = Client(queue, waiters)
        await until(lambda: waiters.waiting)
        threading.Thread(target=waiters.end).start()
        await client.task
        late = Client(queue, waiters)
        await late.task
        assert [client.status, late.status] == [204, 204]
        assert b"retry-after" in client.names & late.names

    asyncio.run(run())
