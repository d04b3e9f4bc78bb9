"""Mutants of requests on connections that nobody ends, and the request that follows each."""

import itertools
from concurrent.futures import ThreadPoolExecutor

from tests.gateway.fuzz import oracles
from tests.gateway.fuzz.mutants import (
    CHUNKED,
    STALLED,
    SWITCHED,
    THREADS,
    Conversation,
    Run,
    finals,
    read_all,
    talk,
)
from tests.gateway.processes import request

QUIET = 0.02  # nothing came for so long: what follows is sent, be there an answer or not


def refused(key: str) -> list[bytes]:
    """Each is answered without its body, which looks like a request that would be served."""
    inner = request("GET", "/proxy/strict/smuggled", key)
    chunks = b"%x\r\n%b\r\n0\r\nX-Sum: 1\r\n\r\n" % (len(inner), inner)
    waits = ("Expect: 100-continue", f"Content-Length: {len(inner)}")
    return [
        request("POST", "/proxy/strict/x", "muser_nonsense", body=inner),
        request("POST", "/proxy/strict/x", "muser_nonsense", CHUNKED) + chunks,
        request("POST", "/proxy/strict/x", "muser_nonsense", *waits) + inner,
        request("PUT", "/proxy/nowhere/x", key, body=inner),
        request("POST", "/proxy/strict/%2e%2e/x", key, CHUNKED) + chunks,
        request("POST", "/healthz", "", CHUNKED) + chunks,
        request("GET", "/healthz", "", *waits) + inner,
        request("DELETE", "/proxy/strict", "", "X-Api-Key: a", "Api-Key: b", body=inner),
    ]


def closed(key: str) -> list[bytes]:
    """What a refusal ends, with something behind it that would be served."""
    inner = request("GET", "/proxy/strict/smuggled", key)
    return [
        request("TRACE", "/proxy/strict/x", key, body=inner),
        request("BREW", "/proxy/strict/x", key, CHUNKED) + b"0\r\n\r\n" + inner,
        request("POST", "/proxy/strict/x", key, "Content-Length: +0") + inner,
        request("POST", "/proxy/strict/x", key, CHUNKED) + b"0x0\r\n\r\n" + inner,
        request("POST", "/proxy/strict/x", key, CHUNKED) + b"1\r\nxx0\r\n\r\n" + inner,
        b"GET /\n\n" + inner,
    ]


class Stay(Run):
    """Each is followed by one that must be the next, whatever became of those before it."""

    before_all = 0
    numbers = itertools.count()

    def say_all(self, sayings: list[list[bytes]]) -> "Stay":
        """All of them whole: nobody ends his side."""
        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(lambda parts: self.say(parts, ends=False), sayings))
        self.look_for_unasked()
        return self

    def say(self, parts: list[bytes], which: str = "", *, ends: bool = True) -> None:
        """In its pieces; what came in one, first its head and the rest once it was quiet."""
        path = f"/next-{next(self.numbers)}"
        following = request("GET", f"/proxy/strict{path}", self.key.decode(), "Connection: close")
        if len(parts) == 1:
            head, mark, rest = parts[0].partition(b"\r\n\r\n")
            parts = [head + mark, rest]
        spoken = talk(self.port, [*filter(None, parts), following], ends=ends, pause=QUIET)
        faults = self.judge(spoken) + self.follow(spoken, path.encode())
        self.blame(faults, spoken, which)

    def follow(self, spoken: Conversation, path: bytes) -> list[str]:
        """One answer to each request, none after a close, and the last is the following one's."""
        final, asked = finals(oracles.answers(spoken.told).messages), read_all(spoken.sent)
        ids = [b"".join(each.values(b"x-request-id")) for each in final]
        closes = [b"close" in each.values(b"connection") for each in final]
        went_on = [
            taken.id for end in self.ends for taken in end.of(ids) if taken.message.target == path
        ]
        is_asked = bool(asked) and asked[-1].target == b"/proxy/strict" + path
        switched = SWITCHED in [each.start for each in final]
        faults = []
        if len(set(ids)) < len(ids) or len(final) > len(asked) + 1:
            faults.append("more answers than requests")
        if True in closes[:-1]:
            faults.append("an answer after the last")
        if len(went_on) > is_asked:
            faults.append("the next request was read out of another's bytes")
        if switched or spoken.seconds > STALLED:
            return faults
        # Whatever is asked last asks for the end; one that came before may be it too.
        if closes[-1:] != [True]:
            faults.append("the next request was not answered")
            return faults
        is_served = len(final) == len(asked) and final[-1].start == b"200"
        if is_asked and is_served and went_on != ids[-1:]:
            faults.append("the next request was taken for another")
        return faults
