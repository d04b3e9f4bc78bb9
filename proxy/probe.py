"""One harmless GET to a target, as the gateway would send it, and at which step it failed.

The gateway's own parts say where it goes and with which credential. Nothing of an answer is kept
but its status; no redirect is followed.
"""

import asyncio
import contextlib
import os
import re
import socket
import ssl
import threading
from collections.abc import Sequence
from enum import StrEnum
from time import monotonic
from typing import Final, NamedTuple
from uuid import UUID

from proxy.gateway.egress import Egress, ForbiddenAddressError
from proxy.gateway.injection import inject_query
from proxy.gateway.tls import tls_context
from proxy.gateway.upstreams import Target

SECONDS: Final = 10.0  # for all of it, name servers included
MAX_HEAD: Final = 32 * 1024
MAX_INTERIM: Final = 5
END: Final = b"\r\n\r\n"
OURS: Final = [(b"user-agent", b"momentry-test"), (b"accept", b"*/*")]
STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: [^\r\n]*)?\r\n")


class Outcome(StrEnum):
    OK = "ok"
    DNS = "dns"
    EGRESS = "egress"
    CONNECT = "connect"
    TLS = "tls"
    AUTH = "auth"
    PATH = "path"
    STATUS = "status"
    TIMEOUT = "timeout"


class Found(NamedTuple):
    """``status``: of the answer, None without one. ``detail``: our words, none of the answer's.
    ``credential_id``: of the one that was sent, or cannot be."""

    base_url: str
    outcome: Outcome
    status: int | None
    ms: int
    detail: str
    credential_id: UUID | None = None


class FailedError(Exception):
    def __init__(self, outcome: Outcome, detail: str) -> None:
        super().__init__(detail)
        self.outcome = outcome
        self.detail = detail


class Question(NamedTuple):
    """``path``: below the base URL, b"" for the base URL itself. ``connect``: seconds."""

    target: Target
    path: bytes
    connect: float


def ask_all(questions: Sequence[Question], egress: Egress) -> list[Found]:
    """At the same time; done after SECONDS at the latest."""

    async def together() -> list[Found]:
        return list(await asyncio.gather(*(ask(each, egress) for each in questions)))

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(together())


async def ask(question: Question, egress: Egress) -> Found:
    began = monotonic()
    status: int | None = None
    try:
        async with asyncio.timeout(SECONDS):
            status = await answer_to(question, egress)
        outcome, detail = judged(status, has_credential(question.target))
    except FailedError as error:
        outcome, detail = error.outcome, error.detail
    except TimeoutError:
        outcome, detail = Outcome.TIMEOUT, f"No whole head of an answer within {SECONDS:.0f} s."
    ms = round((monotonic() - began) * 1000)
    target = question.target
    return Found(target.name, outcome, status, ms, detail, target.credential_id)


def has_credential(target: Target) -> bool:
    injection = target.destination.injection
    return bool(injection.line or injection.parameter)


def judged(status: int, with_credential: bool) -> tuple[Outcome, str]:
    if status in {401, 403}:
        wants = "It refuses the credential" if with_credential else "It wants a credential"
        return Outcome.AUTH, f"{wants}: {status}."
    if status == 404:
        return Outcome.PATH, "It answers, and knows no such path: 404."
    if status >= 400:
        return Outcome.STATUS, f"It answers {status}."
    redirects = " The redirect was not followed." if 300 <= status < 400 else ""
    return Outcome.OK, f"It answers {status}.{redirects}"


async def answer_to(question: Question, egress: Egress) -> int:
    """The status. FailedError, TimeoutError."""
    target = question.target
    found = await look_up(target.endpoint.host)
    if not found:
        raise FailedError(Outcome.DNS, "The name has no address.")
    try:
        addresses = egress.permitted(target.endpoint.host, found)
    except ForbiddenAddressError:
        why = "The egress guard lets nobody dial where the host leads (EGRESS_ALLOW)."
        raise FailedError(Outcome.EGRESS, why) from None
    reader, writer = await connect(addresses, target.endpoint.port, question.connect)
    try:
        if target.endpoint.tls:
            await secure(writer, target.endpoint.tls, target.endpoint.host)
        return await exchange(reader, writer, request_to(target, question.path))
    finally:
        writer.transport.abort()  # what else it says is not waited for


async def look_up(host: str) -> list[str]:
    """In a thread of its own that nobody joins: a name server may take as long as it likes."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[list[str]] = loop.create_future()

    def settle(addresses: list[str]) -> None:
        if not told.done():
            told.set_result(addresses)

    def run() -> None:
        found: list[str] = []
        with contextlib.suppress(OSError, UnicodeError):
            places = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            found = list(dict.fromkeys(str(place[0]) for *_, place in places))
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, found)

    threading.Thread(target=run, daemon=True).start()
    return await told


async def connect(
    addresses: list[str], port: int, patience: float
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Each address in turn, with an equal share of the time, as the gateway's pool does."""
    share = min(patience, SECONDS) / len(addresses)
    why = FailedError(Outcome.CONNECT, "")
    for address in addresses:
        try:
            async with asyncio.timeout(share):
                return await asyncio.open_connection(address, port, limit=MAX_HEAD)
        except TimeoutError:
            why = FailedError(Outcome.TIMEOUT, "Nobody took the connection in time.")
        except OSError as error:
            words = os.strerror(error.errno) if error.errno else "no connection"
            why = FailedError(Outcome.CONNECT, f"The connection failed: {words}.")
    raise why


async def secure(writer: asyncio.StreamWriter, mode: str, host: str) -> None:
    try:
        await writer.start_tls(tls_context(mode), server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        why = f"Its certificate is not accepted: {error.verify_message}."
        raise FailedError(Outcome.TLS, why) from None
    except ssl.SSLError as error:
        why = f"The handshake failed: {error.reason or 'it is no TLS'}."
        raise FailedError(Outcome.TLS, why) from None
    except OSError as error:
        if isinstance(error, TimeoutError):
            raise
        raise FailedError(Outcome.TLS, "It left during the handshake.") from None


def request_to(target: Target, path: bytes) -> bytes:
    destination = target.destination
    query = inject_query(None, destination.injection)
    place = (destination.prefix + path or b"/") + (b"?" + query if query else b"")
    fields, own, rules = OURS, destination.injection.line, destination.asked
    if rules is not None:  # it may be one of them that makes an answer possible
        fields, own = rules.kept(fields), own + rules.lines
    lines = b"".join(b"%b: %b\r\n" % field for field in fields)
    start = b"GET %b HTTP/1.1\r\nHost: %b\r\n" % (place, destination.host)
    return b"%b%b%bConnection: close\r\n\r\n" % (start, lines, own)


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> int:
    """The status of the first head that is no interim one."""
    try:
        writer.write(request)
        await writer.drain()
        for _ in range(MAX_INTERIM + 1):
            status = status_in(await reader.readuntil(END))
            if status >= 200:
                return status
    except asyncio.IncompleteReadError as error:
        if error.partial:
            status_in(error.partial)
        raise FailedError(Outcome.CONNECT, "It closed the connection before it answered.") from None
    except asyncio.LimitOverrunError:
        raise FailedError(Outcome.STATUS, "The head of its answer is too long.") from None
    except TimeoutError:
        raise
    except OSError:
        raise FailedError(Outcome.CONNECT, "It broke the connection before it answered.") from None
    raise FailedError(Outcome.STATUS, "It sends interim answers without end.")


def status_in(head: bytes) -> int:
    found = STATUS.match(head)
    if found is None:
        raise FailedError(Outcome.STATUS, "What it answers is not HTTP/1.1.")
    return int(found[1])
