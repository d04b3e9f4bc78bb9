"""Mutants of valid conversations over the wire, and what must hold of them seen from outside."""

import contextlib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from tests.gateway.fuzz import chunks, oracles, paths, requests
from tests.gateway.fuzz.corpus import escaped
from tests.gateway.fuzz.mutator import Mutator
from tests.gateway.fuzz.oracles import Message
from tests.gateway.fuzz.ours import CREDENTIALS
from tests.gateway.fuzz.strict import Strict
from tests.gateway.handshake import ASKED, frame
from tests.gateway.processes import request

SECONDS = 2.0  # from a client's last byte to the end of the connection
PACED = 0.05  # how long one refusal of a wrong key may wait, and be waited for by the next
STALLED = 0.4  # a client that ended its side is given up after 0.5 s
PATIENCE = 0.25  # for an end that is not the client's, before it ends its side
THREADS = 8
AGAIN = 3
SWITCHED = b"101"
UPGRADE = b"Upgrade: WebSocket"
TRAILERS = b"4;a=b\r\nwxyz\r\n0\r\nX-Sum: 1\r\nX-Api-Key: k\r\n\r\n"
TOKENS = [*requests.TOKENS, *chunks.TOKENS, *paths.TOKENS]
CHUNKED = "Transfer-Encoding: chunked"
JSON = "Content-Type: application/json"


class Conversation(NamedTuple):
    sent: bytes
    told: bytes
    seconds: float
    ended: bool


def templates(key: str, validator: str) -> list[bytes]:
    post = request("POST", "/proxy/strict/in", key, body=b"sized body")
    chunked = request("POST", "/proxy/strict/c?x=%2F", key, CHUNKED) + TRAILERS
    get = request("GET", "/proxy/strict/a%2Fb;c?q=1&q=2", key, "Accept: */*")
    waits = ("Expect: 100-continue", "Content-Length: 3")
    question = b'{"key": "%b", "upstream": "strict"}' % key.encode()
    return [
        get,
        post,
        chunked,
        request("PUT", "/proxy/strict/waits", key, *waits) + b"abc",
        get + post,
        chunked + get,
        post + request("GET", "/healthz"),
        request("GET", "/proxy/strict/ws", key, *ASKED) + frame(b"hello", mask=b"abcd"),
        request("POST", "/api/v1/keys/verify", validator, JSON, body=question),
        request("POST", "/claim/x", "", CHUNKED, "Cookie: a=1") + TRAILERS + get,
        request("GET", "/api/v1/me", key) + request("POST", "/claim/y", body=b"z" * 40),
        get.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Accept: */*", b"Connection: keep-alive"),
    ]


def talk(port: int, parts: list[bytes], *, ends: bool, pause: float = 0.0) -> Conversation:
    """Sends, after each part reads until nothing comes for ``pause`` seconds, ends its side or not,
    reads to the end."""
    told, ended = b"", False
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for part in parts:
                connection.sendall(part)
                told += heard(connection, pause) if pause else b""
            if ends:
                told += heard(connection, PATIENCE) if pause else b""
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it was closed already: the answer is still to be read
        begun = time.monotonic()
        try:
            while (left := begun + 5 * SECONDS - time.monotonic()) > 0:
                connection.settimeout(left)
                data = connection.recv(65_536)
                told += data
                if not data:
                    break
            ended = left > 0
        except ConnectionError:
            ended = True
        except TimeoutError:
            pass
    return Conversation(b"".join(parts), told, time.monotonic() - begun, ended)


def heard(connection: socket.socket, pause: float) -> bytes:
    told = b""
    connection.settimeout(pause)
    with contextlib.suppress(TimeoutError, ConnectionError):
        while data := connection.recv(65_536):
            told += data
    connection.settimeout(5)
    return told


class Run:
    """Many of them at once against one gateway. ``faults`` must stay empty."""

    before_all = AGAIN  # how often each sample is said as it is

    def __init__(self, port: int, ends: list[Strict], key: str) -> None:
        self.port = port
        self.key = key.encode()
        self.ends = ends
        self.faults: list[str] = []
        self.before = {taken.id for end in ends for taken in end.all()}
        self.answered: set[bytes] = set()
        self.stalled = 0
        self.statuses: dict[int, int] = {}
        self.lock = threading.Lock()

    def over(self, seed: int, samples: list[bytes], count: int) -> "Run":
        for sample in samples * self.before_all:
            if UPGRADE not in sample:  # a tunnel waits half a second for who ended its side
                self.say([sample])
        with ThreadPoolExecutor(THREADS) as threads:
            seeds = range(seed * THREADS, (seed + 1) * THREADS)
            list(threads.map(lambda each: self.some(each, samples, count // THREADS), seeds))
        self.look_for_unasked()
        return self

    def some(self, seed: int, samples: list[bytes], count: int) -> None:
        mutator = Mutator(seed, samples, TOKENS)
        for number in range(count):
            data = mutator.next()
            # What came before goes a shorter way in the gateway: some come again.
            for _ in range(AGAIN if number % 8 == 0 else 1):
                self.say(mutator.pieces(data), f"seed {seed}, number {number}")

    def say(self, parts: list[bytes], which: str = "", *, ends: bool = True) -> None:
        spoken = talk(self.port, parts, ends=ends)
        self.blame(self.judge(spoken), spoken, which)

    def blame(self, faults: list[str], spoken: Conversation, which: str) -> None:
        for why in faults:
            told = f"{escaped(spoken.sent)}\n{escaped(spoken.told)}"
            with self.lock:
                self.faults.append(f"{why} ({which}): {told}")

    def judge(self, spoken: Conversation) -> list[str]:
        found = oracles.answers(spoken.told)
        final = finals(found.messages)
        with self.lock:
            self.stalled += spoken.seconds > STALLED
            self.answered |= {value for each in final for value in each.values(b"x-request-id")}
            for each in final:
                status = int(each.start or 0)
                self.statuses[status] = self.statuses.get(status, 0) + 1
        faults = []
        if not spoken.ended or spoken.seconds > SECONDS + PACED * len(final):
            faults.append(f"not over after {spoken.seconds:.1f} s")
        if found.refused or not all(is_whole(each) for each in final):
            faults.append("no whole answers")
        if any(each.start[:1] == b"5" and each.start != b"501" for each in final):
            faults.append("an error of the server")
        if any(len(each.values(b"x-request-id")) != 1 for each in final):
            faults.append("not one request id")
        return faults + self.compare(spoken.sent, final)

    def compare(self, sent: bytes, final: list[Message]) -> list[str]:
        """What went on for this conversation are requests that h11 reads in it, in their order."""
        ids = [value for each in final for value in each.values(b"x-request-id")]
        asked = read_all(sent)
        for end in self.ends:
            source = iter(asked)
            for taken in end.of(ids):
                one = next((one for one in source if is_same(taken.message, one)), None)
                if one is None:
                    return [f"never sent by the client: {taken.raw!r}"]
                if end.own and self.key in taken.raw and not self.repeats(one):
                    return [f"the client's key went on: {taken.raw!r}"]
        return []

    def repeats(self, asked: Message) -> bool:
        """Its key where no credential is: that is the client's own affair."""
        fields = asked.headers + asked.trailers
        values = [value for name, value in fields if name not in CREDENTIALS]
        return any(self.key in part for part in (*values, asked.target, asked.body))

    def look_for_unasked(self) -> None:
        """SMG-01: nothing went on that nobody was answered."""
        unasked = [
            taken
            for end in self.ends
            for taken in end.all()
            if taken.id not in self.answered | self.before
        ]
        if len(unasked) > self.stalled:
            self.faults += [f"nobody was answered: {taken.raw!r}" for taken in unasked]
        for end in self.ends:
            self.faults += end.faults


def finals(answers: list[Message]) -> list[Message]:
    """Without the interim ones."""
    return [each for each in answers if each.start[:1] != b"1" or each.start == SWITCHED]


def is_whole(answer: Message) -> bool:
    """One that the connection's end ends is: all conversations are read to their ends."""
    framed = answer.values(b"content-length") + answer.values(b"transfer-encoding")
    return answer.complete or (not framed and answer.values(b"connection") == [b"close"])


def read_all(data: bytes) -> list[Message]:
    """The whole requests that h11 reads, one after the other."""
    read: list[Message] = []
    while (found := oracles.first_request(data.lstrip(b"\r\n"))) and found[0].complete:
        read.append(found[0])
        data = found[1]
    return read


def is_same(taken: Message, asked: Message) -> bool:
    """Is this what became of that?"""
    target = asked.target
    if target[:4].lower() == b"http":
        target = b"/" + target.split(b"/", 3)[3] if target.count(b"/") > 2 else b"/"
    target = target.removeprefix(b"/proxy/strict")
    rest = target if target.startswith(b"/") else b"/" + target
    return (taken.start, taken.target, taken.body) == (asked.start, rest, asked.body)
