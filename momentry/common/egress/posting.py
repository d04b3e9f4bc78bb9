"""One POST from an event loop: guarded as momentry.common.egress.client is, and bounded. Of the
answer its head is read and no more kept: what follows is let in for a moment, and let go.

The addresses of the host are judged as it is dialled, and one that was judged is dialled.
"""

import asyncio
import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from time import monotonic
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings

from momentry.common.beside import beside
from momentry.common.egress import client
from momentry.common.egress.baseurl import fault_of
from momentry.common.egress.client import LATE, USER_AGENT, PeerError, Step, dialled_of
from momentry.common.egress.rules import Kind

LINE: Final = 16 * 1024
LONGEST_HEAD: Final = 64 * 1024
MOST_LINES: Final = 256
MOST_INTERIM: Final = 8  # answers of status 1xx before the one that counts
MOST_ADDRESSES: Final = 4
MOST_REST: Final = 64 * 1024
REST_SECONDS: Final = 0.5
STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: |$)")
NO_ANSWER: Final = "What it answers is no whole HTTP answer."


class Place(NamedTuple):
    """What of a URL goes where. ``authority`` and ``target`` as they were written."""

    is_tls: bool
    host: str
    port: int
    authority: str
    target: str


class Reply(NamedTuple):
    """``headers``: names in lower case; of a repeated one the first value."""

    status: int
    headers: Mapping[str, str]


class Connection(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


async def post(
    url: str, headers: Mapping[str, str], body: bytes, *, seconds: float, kind: Kind = Kind.WEBHOOK
) -> Reply:
    """``seconds``: until the head of the answer is there, name servers included. Follows nothing,
    asks no proxy. Raises PeerError."""
    place = place_of(url, kind)
    connection: Connection | None = None
    reply: Reply | None = None
    try:
        async with asyncio.timeout(seconds):
            connection = await dial(place, kind, monotonic() + seconds)
            connection.writer.write(head_of(place, headers, len(body)) + body)
            reply = await read_reply(connection.reader)
        await let_in_the_rest(connection.reader, reply)
    except TimeoutError:
        raise PeerError(Step.TIMEOUT, LATE) from None
    except ssl.SSLError:
        raise PeerError(Step.TLS, "The connection broke.") from None
    except OSError:
        raise PeerError(Step.CONNECT, "It broke the connection.") from None
    finally:
        if connection is not None:
            part(connection.writer, in_peace=reply is not None)
    return reply


def part(writer: asyncio.StreamWriter, *, in_peace: bool) -> None:
    """Who did not answer is not waited for, until it has taken the rest of what was said."""
    if in_peace:
        writer.close()
    else:
        writer.transport.abort()


def place_of(url: str, kind: Kind) -> Place:
    """It was checked when it was saved; whoever writes to the database could have changed it."""
    if fault := fault_of(url, settings.EGRESS_ALLOW.networks, kind=kind):
        raise PeerError(Step.EGRESS, fault)
    parts = urlsplit(url)
    is_tls = parts.scheme == "https"
    port = parts.port or (443 if is_tls else 80)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(is_tls, parts.hostname or "", port, parts.netloc, target)


def head_of(place: Place, headers: Mapping[str, str], length: int) -> bytes:
    fields = {
        "Host": place.authority,
        "User-Agent": USER_AGENT,
        "Accept-Encoding": "identity",
        "Connection": "close",
        "Content-Length": str(length),
        **headers,
    }
    lines = [f"POST {place.target} HTTP/1.1", *(f"{name}: {text}" for name, text in fields.items())]
    if not all(line.isprintable() and line.isascii() for line in lines):
        raise PeerError(Step.PROTOCOL, "A header field would break the line.")
    return "\r\n".join([*lines, "", ""]).encode()


async def dial(place: Place, kind: Kind, end: float) -> Connection:
    """Each address in turn, with an equal share of what is left of the time."""
    addresses = dialled_of(place.host, await look_up(place.host), kind)[:MOST_ADDRESSES]
    for left in range(len(addresses), 0, -1):
        address = addresses[-left]
        try:
            async with asyncio.timeout(max((end - monotonic()) / left, 0.001)):
                return await connect(place, address)
        except ssl.SSLCertVerificationError as error:
            why = f"Its certificate is not accepted: {error.verify_message}."
            raise PeerError(Step.TLS, why) from None
        except ssl.SSLError:
            raise PeerError(Step.TLS, "The handshake failed.") from None
        except TimeoutError:
            fault = PeerError(Step.TIMEOUT, "Nobody took the connection in time.")
        except OSError:
            fault = PeerError(Step.CONNECT, "Nobody takes the connection.")
    raise fault


async def connect(place: Place, address: str) -> Connection:
    if not place.is_tls:
        return Connection(*await asyncio.open_connection(address, place.port, limit=LINE))
    return Connection(
        *await asyncio.open_connection(
            address,
            place.port,
            limit=LINE,
            ssl=client.trusted(),
            server_hostname=place.host.removesuffix("."),
            ssl_shutdown_timeout=1.0,
        )
    )


async def look_up(host: str) -> list[str]:
    """An address needs none. Who is silent is left to a thread that nobody joins."""
    with suppress(ValueError):
        return [str(ip_address(host))]
    return await beside(partial(client.resolve, host))


async def read_reply(reader: asyncio.StreamReader) -> Reply:
    """The first that is not interim. Raises PeerError."""
    for _ in range(MOST_INTERIM):
        status, *lines = await read_head(reader)
        match = STATUS.match(status)
        if match is None:
            raise PeerError(Step.PROTOCOL, NO_ANSWER)
        if not match[1].startswith(b"1"):
            return Reply(int(match[1]), fields_of(lines))
    raise PeerError(Step.PROTOCOL, "It does not come to its answer.")


async def read_head(reader: asyncio.StreamReader) -> list[bytes]:
    """Its lines, at least one."""
    lines: list[bytes] = []
    size = 0
    while True:
        try:
            line = await reader.readline()
        except ValueError:  # longer than LINE
            raise PeerError(Step.PROTOCOL, "The head of its answer is too long.") from None
        if not line.endswith(b"\n"):
            raise PeerError(Step.PROTOCOL, NO_ANSWER)
        size += len(line)
        if size > LONGEST_HEAD or len(lines) > MOST_LINES:
            raise PeerError(Step.PROTOCOL, "The head of its answer is too long.")
        line = line.rstrip(b"\r\n")
        if not line:
            return lines or [b""]
        lines.append(line)


def fields_of(lines: list[bytes]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        name, _, value = line.decode("latin-1").partition(":")
        found.setdefault(name.strip().lower(), value.strip())
    return found


async def let_in_the_rest(reader: asyncio.StreamReader, reply: Reply) -> None:
    """Whoever is cut off in the middle of a small body would take it for a failure."""
    length = reply.headers.get("content-length", "")
    is_told = length.isascii() and length.isdigit() and len(length) < 10
    left = min(int(length), MOST_REST) if is_told else MOST_REST
    if reply.status in {204, 304}:
        left = 0
    with suppress(TimeoutError, OSError):
        async with asyncio.timeout(REST_SECONDS):
            while left > 0 and (piece := await reader.read(left)):
                left -= len(piece)
