"""Answers that are nearly right, from an upstream that then closes, and what a client may see."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor

from tests.gateway.fuzz import answers, chunks, oracles
from tests.gateway.fuzz.corpus import escaped
from tests.gateway.fuzz.mutants import SECONDS, THREADS, Conversation, talk
from tests.gateway.fuzz.mutator import Mutator
from tests.gateway.processes import request
from tests.gateway.wire import Cut, Server, Wire

OK = b"HTTP/1.1 200 OK\r\n"
FRAMED_BY_TRAILERS = re.compile(
    rb"\n0+(?:;[^\r]*)?\r\n(?:[^\r]+\r\n)*?(?:content-length|transfer-encoding):", re.IGNORECASE
)
REFUSALS = {b"502": b'"upstream_failed"', b"504": b'"upstream_timeout"'}
TOKENS = [*answers.TOKENS, *chunks.TOKENS]
SAMPLES = [
    OK + b"Content-Length: 10\r\nSet-Cookie: a=1\r\n\r\n0123456789",
    OK + b"Content-Length: 0\r\nConnection: keep-alive\r\n\r\n",
    OK + b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
    OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n",
    OK + b"Connection: close\r\n\r\nuntil the end",
    b"HTTP/1.0 200 OK\r\n\r\nold",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nold",
    b"HTTP/1.1 204 No Content\r\nETag: a\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nok",
    b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 404 Not Found\r\nX-Request-ID: a\r\nRateLimit: b\r\nContent-Length: 2\r\n\r\nno",
]


class Liar(Server):
    """Says at each path what was put there, and closes."""

    said: dict[bytes, list[bytes]]

    def converse(self, wire: Wire) -> None:
        head = wire.until(b"\r\n\r\n")
        wire.socket.setsockopt(6, 1, 1)  # TCP_NODELAY
        for part in self.said[head.split(b" ")[1]]:
            wire.send(part)
        raise Cut


class Patient(Liar):
    """Keeps its connections; where nothing was put it says which path it was asked for."""

    def converse(self, wire: Wire) -> None:
        wire.socket.settimeout(60)
        while True:
            path = wire.until(b"\r\n\r\n").split(b" ")[1]
            honest = [OK + b"Content-Length: %d\r\n\r\n%b" % (len(path), path)]
            wire.send(b"".join(self.said.get(path, honest)))


class Lies:
    """Many at once through one gateway. ``faults`` must stay empty."""

    slug = "liar"
    ends = True  # the upstream's connection, with the answer

    def __init__(self, port: int, liar: Liar, key: str) -> None:
        self.port = port
        self.liar = liar
        self.key = key
        self.liar.said = {}
        self.faults: list[str] = []
        self.statuses: dict[bytes, int] = {}
        self.whole = 0
        self.lock = threading.Lock()

    def over(self, seed: int, count: int) -> "Lies":
        with ThreadPoolExecutor(THREADS) as threads:
            seeds = range(seed * THREADS, (seed + 1) * THREADS)
            list(threads.map(lambda each: self.some(each, count // THREADS), seeds))
        return self

    def some(self, seed: int, count: int) -> None:
        mutator = Mutator(seed, SAMPLES, TOKENS)
        for number in range(count):
            self.tell(mutator.pieces(mutator.next()), f"/{seed}-{number}")

    def tell(self, parts: list[bytes], path: str) -> None:
        self.liar.said[path.encode()] = parts
        asked = request("GET", f"/proxy/{self.slug}{path}", self.key, "Connection: close")
        heard = talk(self.port, [asked], ends=False)
        if why := self.judge(b"".join(parts), heard):
            said = escaped(b"".join(parts))
            with self.lock:
                self.faults.append(f"{why} ({path}): {said}\n{escaped(heard.told)}")

    def judge(self, said: bytes, heard: Conversation) -> str:
        found = oracles.answers(heard.told)
        final = [each for each in found.messages if each.start[:1] != b"1"]
        if not heard.ended or heard.seconds > SECONDS:
            return f"not over after {heard.seconds:.1f} s"
        if found.refused or len(final) != 1:
            return "not one answer"
        (seen,) = final
        with self.lock:
            self.statuses[seen.start] = self.statuses.get(seen.start, 0) + 1
        if REFUSALS.get(seen.start, b"-") in seen.body:
            return ""
        if FRAMED_BY_TRAILERS.search(said):
            return ""  # see chunks.check_oracles
        theirs = oracles.first_answer(said, b"GET", ended=self.ends)
        if theirs is None or not theirs[0].complete:
            return "seen as whole, and was not" if seen.complete else ""
        if not seen.complete:  # we are stricter: then it is cut
            return ""
        self.whole += 1
        told, meant = (seen.start, seen.body), (theirs[0].start, theirs[0].body)
        return "" if told == meant else "not what was said"


class PatientLies(Lies):
    """Each is followed by an honest answer, maybe on the same connection: it must be that one."""

    slug = "patient"
    ends = False

    def tell(self, parts: list[bytes], path: str) -> None:
        super().tell(parts, path)
        following = f"{path}-next"
        asked = request("GET", f"/proxy/patient{following}", self.key, "Connection: close")
        heard = talk(self.port, [asked], ends=False)
        found = oracles.answers(heard.told).messages
        if [(each.start, each.body) for each in found] != [(b"200", following.encode())]:
            with self.lock:
                self.faults.append(f"another's answer ({path}): {escaped(heard.told)}")
