"""Ports and answers: what is free, what listens, and whether it is ours that is ready."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from momentry.supervisor.errors import CannotStartError

INSTANCE_HEADER: Final = b"x-momentry-instance"
REFUSALS: Final = frozenset((401, 403))


def demand_free(host: str, port: int) -> None:
    """Bind plainly, before anything starts: a socket with SO_REUSEPORT would share the port."""
    try:
        bind(host, port)
    except OSError as error:
        raise CannotStartError(
            f"Port {port} on {host} cannot be used ({error.strerror or error}): stop what listens "
            "there, or give another one with --port."
        ) from error


def bind(host: str, port: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # TIME_WAIT is no listener
        probe.bind((host, port))
        probe.listen(1)
        return int(probe.getsockname()[1])


def free_port(preferred: int) -> int:
    """``preferred`` when it is free on the loopback, else any."""
    try:
        return bind("127.0.0.1", preferred)
    except (OSError, OverflowError):
        return bind("127.0.0.1", 0)


def demand_listening(variable: str, url: str, default_port: int) -> None:
    """Raises CannotStartError, without the URL's password, when nothing listens there."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    host = query.get("host", [parts.hostname or ""])[-1]
    try:
        port = int(query.get("port", [parts.port or default_port])[-1])
        if parts.scheme == "unix":
            connect_unix(unquote(parts.path))
        elif host.startswith("/"):
            connect_unix(f"{host}/.s.PGSQL.{port}")
        else:
            socket.create_connection((host or "127.0.0.1", port), timeout=3).close()
    except (OSError, ValueError) as error:
        where = host or parts.path or "the server"
        raise CannotStartError(
            f"{variable}: {where} cannot be reached ({error}); start that server or mend the "
            "address, or unset the variable to let momentry start its own."
        ) from None


def connect_unix(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(3)
        connection.connect(path)


def listens(path: Path) -> bool:
    try:
        connect_unix(str(path))
    except OSError:
        return False
    return True


def answer(host: str, port: int, path: str, field: str = "") -> tuple[int, Mapping[bytes, bytes]]:
    """Status and headers (lower-case names) of a GET; (0, {}) when there is no answer."""
    try:
        with socket.create_connection((host, port), timeout=2) as connection:
            lines = [f"GET {path} HTTP/1.1", f"Host: {host}:{port}", "Connection: close", field]
            connection.sendall("".join(f"{line}\r\n" for line in lines if line).encode() + b"\r\n")
            head = b""
            while b"\r\n\r\n" not in head and (piece := connection.recv(4096)):
                head += piece
    except OSError:
        return 0, {}
    first, *told = head.partition(b"\r\n\r\n")[0].split(b"\r\n")
    fields = [line.partition(b":") for line in told]
    words = first.split(b" ")
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    return status, {name.strip().lower(): value.strip() for name, _, value in fields}


def ready(host: str, port: int, nonce: str) -> bool:
    """Whether the gateway of this very start says so; an orphan's answer does not count."""
    status, headers = answer(host, port, "/readyz")
    return status == 200 and headers.get(INSTANCE_HEADER) == nonce.encode()


def refuses(host: str, port: int, key: str) -> bool:
    """Whether the gateway lets this key do nothing any more. No answer is no refusal."""
    return answer(host, port, "/api/v1/me", f"X-API-Key: {key}")[0] in REFUSALS
