"""An upstream, or a Django, that takes only what two strict parsers take, and keeps it."""

import socket
from typing import NamedTuple

from tests.gateway.fuzz import oracles
from tests.gateway.fuzz.oracles import Message
from tests.gateway.fuzz.ours import CREDENTIALS, plain
from tests.gateway.handshake import accepted
from tests.gateway.wire import Cut, Server, Wire

SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
ID = b"x-momentry-request-id"


class Taken(NamedTuple):
    """One whole request."""

    id: bytes
    message: Message
    raw: bytes


class Strict(Server):
    """``own`` is the credential that must be the only one; None where any may come (Django).

    ``faults`` must stay empty: each is a request that should never have been sent here.
    """

    def __init__(self, listener: socket.socket, own: bytes | None) -> None:
        self.own = own
        self.taken: dict[bytes, list[Taken]] = {}  # by request id
        self.faults: list[str] = []
        super().__init__(listener)

    def converse(self, wire: Wire) -> None:
        wire.socket.settimeout(60)
        while True:
            raw, message = self.one(wire)
            self.judge(raw, message)
            with self.lock:
                made = Taken(b"".join(message.values(ID)), message, raw)
                self.taken.setdefault(made.id, []).append(made)
            self.tell(wire, message)

    def one(self, wire: Wire) -> tuple[bytes, Message]:
        """A request to its end; Cut when the connection ends before."""
        raw = b""
        while wire.more():
            raw += wire.take(len(wire.held))
            found = oracles.first_request(raw)
            if found is None:
                self.blame("h11 refuses", raw)
                raise Cut
            if found[1]:
                self.blame("something follows a request", raw)
            if found[0].complete:
                return raw, found[0]
        raise Cut

    def judge(self, raw: bytes, message: Message) -> None:
        theirs = oracles.requests(raw)
        names = [name for name, _ in message.headers]
        shown = [value for name, value in message.headers if plain(name) in CREDENTIALS]
        if theirs.refused or len(theirs.messages) != 1 or theirs.now.headers != message.headers:
            self.blame("llhttp reads otherwise", raw)
        if theirs.now.body != message.body and not theirs.upgraded:
            self.blame("llhttp reads another body", raw)
        if len(b"".join(message.values(ID))) != 36:
            self.blame("not one request id", raw)
        if any(names.count(name) > 1 for name in (b"host", b"x-forwarded-for", b"content-length")):
            self.blame("a field twice", raw)
        if self.own is not None and shown != [self.own]:
            self.blame("a credential of the client", raw)
        if self.own is None and message.trailers:
            self.blame("trailers for Django", raw)

    def of(self, ids: list[bytes]) -> list[Taken]:
        """What came under these ids."""
        with self.lock:
            return [each for name in ids for each in self.taken.get(name, [])]

    def all(self) -> list[Taken]:
        with self.lock:
            return [each for some in self.taken.values() for each in some]

    def blame(self, why: str, raw: bytes) -> None:
        with self.lock:
            self.faults.append(f"{why}: {raw!r}")

    def tell(self, wire: Wire, message: Message) -> None:
        nonce = b"".join(message.values(b"sec-websocket-key"))
        if message.values(b"upgrade"):
            wire.send(accepted(nonce.decode()))
            wire.rest()
            raise Cut
        if message.start == b"HEAD":
            wire.send(SIZED)
        elif len(message.target) % 2:
            wire.send(CHUNKED + b"2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n")
        else:
            wire.send(SIZED + b"ok")


def listen(path: str = "") -> socket.socket:
    """On a unix socket, or on a port of loopback."""
    if not path:
        return socket.create_server(("127.0.0.1", 0), backlog=128)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(128)
    return listener
