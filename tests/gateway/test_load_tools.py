"""wrk and h2load, as people run them: what they count, the log and the ledger count too."""

import re
import signal
import subprocess
import uuid
from collections import Counter
from pathlib import Path

import pytest

from tests.gateway.books import used
from tests.gateway.conftest import Database
from tests.gateway.logbooks import key_id
from tests.gateway.misbehaving import OK, says
from tests.gateway.processes import Gateway
from tests.gateway.tools import program, said
from tests.gateway.wire import Server, mirror, within

pytestmark = pytest.mark.slow

THREADS, EACH = 2, 1000
ASKED = THREADS * EACH
CONNECTIONS = 16
LIMIT = ASKED // 2
STATUSES = "SELECT status, count(*) FROM apikeys_requestlog WHERE key_id = %s GROUP BY 1"

# Left to itself wrk ends by the clock, with requests on their way that it does not count.
SO_MANY = f"""
local asked, answered = 0, 0
function delay()
  asked = asked + 1
  return asked > {EACH} and 3600000 or 0
end
function response()
  answered = answered + 1
  if answered == {EACH} then
    io.write("all\\n") io.flush()
    wrk.thread:stop()
  end
end
"""


@pytest.fixture(autouse=True)
def scripts(upstream: Server) -> None:
    upstream.on("/pong", says(OK + b"Content-Length: 4\r\n\r\npong"))
    upstream.on("/mirrored", mirror)


def owner(database: Database, monthly: int = 10 * ASKED) -> str:
    return database.key_for(f"load-{uuid.uuid4().hex[:8]}", "echo", monthly=monthly)


def logged(database: Database, secret: str) -> Counter[int]:
    """Rows by status, once as many came as were asked for."""

    def rows() -> Counter[int]:
        found = database.fetch(STATUSES, key_id(secret))
        return Counter({int(str(status)): int(str(count)) for status, count in found})

    assert within(10, lambda: rows().total() >= ASKED), rows()
    return rows()


def place(gateway: Gateway, path: str) -> str:
    return f"http://127.0.0.1:{gateway.port}/proxy/echo{path}"


def test_wrk(gateway: Gateway, database: Database, seeded: str, tmp_path: Path) -> None:
    secret, script = owner(database), tmp_path / "so_many.lua"
    script.write_text(SO_MANY)
    command = [
        program("wrk", "wrk"), f"-t{THREADS}", f"-c{CONNECTIONS}", "-d60s", "--timeout", "20s",
        "-s", str(script), "-H", f"Authorization: Bearer {secret}", place(gateway, "/pong"),
    ]  # fmt: skip

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as wrk:
        assert wrk.stdout is not None
        lines: list[str] = []
        while lines.count("all\n") < THREADS and (line := wrk.stdout.readline()):
            lines.append(line)
        wrk.send_signal(signal.SIGINT)
        told = wrk.stdout.read()

    assert f"{ASKED} requests in" in told
    assert "Non-2xx" not in told
    assert "Socket errors" not in told
    assert logged(database, secret) == {200: ASKED}
    assert used(database, secret) == ASKED


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/pong", []),
        ("/pong", ["-m", "4"]),  # pipelined
        ("/mirrored", ["-d", "FILE"]),
    ],
)
def test_h2load(
    gateway: Gateway, database: Database, seeded: str, tmp_path: Path, path: str, more: list[str]
) -> None:
    secret, body = owner(database), tmp_path / "body"
    body.write_bytes(b"x" * 3000)
    given = [option.replace("FILE", str(body)) for option in more]

    told = h2load(gateway, secret, path, *given)

    assert f"{ASKED} done, {ASKED} succeeded, 0 failed, 0 errored, 0 timeout" in told
    assert codes(told) == {2: ASKED}
    assert logged(database, secret) == {200: ASKED}
    assert used(database, secret) == ASKED


def test_h2load_at_the_limit(gateway: Gateway, database: Database, seeded: str) -> None:
    secret = owner(database, LIMIT)

    told = h2load(gateway, secret, "/pong")

    assert f"{ASKED} done, {LIMIT} succeeded, {ASKED - LIMIT} failed, 0 errored" in told
    assert codes(told) == {2: LIMIT, 4: ASKED - LIMIT}
    assert logged(database, secret) == {200: LIMIT, 429: ASKED - LIMIT}
    assert used(database, secret) == LIMIT


def h2load(gateway: Gateway, secret: str, path: str, *more: str) -> str:
    counts = [f"-n{ASKED}", f"-c{CONNECTIONS}", f"-t{THREADS}"]
    header = ["-H", f"Authorization: Bearer {secret}"]
    command = [program("h2load", "nghttp2-client"), "--h1", *counts, *header, *more]
    return said([*command, place(gateway, path)])


def codes(told: str) -> dict[int, int]:
    """Answers by their status's first digit."""
    (line,) = re.findall(r"^status codes: (.*)$", told, re.MULTILINE)
    found = {int(digit): int(count) for count, digit in re.findall(r"(\d+) (\d)xx", line)}
    return {digit: count for digit, count in found.items() if count}
